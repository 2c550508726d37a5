package session

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func journalOf(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// complaints opens a store and returns it with what it complained of.
func complaints(t *testing.T, dir string, c *clock) (*Memory, *[]string) {
	t.Helper()
	var list []string
	m, err := OpenStore(dir, Options{Now: c.now, OnError: func(err error) { list = append(list, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, &list
}

// The child ends sessions until the parent kills it: every ending that it
// reported must be there afterwards.
func TestEndingsSurviveKillNine(t *testing.T) {
	if dir := os.Getenv("SESSION_TEST_DIR"); dir != "" {
		endUntilKilled(dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEndingsSurviveKillNine$")
	cmd.Env = append(os.Environ(), "SESSION_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reported []byte
	buf := make([]byte, 4096)
	for bytes.Count(reported, []byte("\n")) < 50 {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, reported)
		}
		reported = append(reported, buf[:n]...)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := out.Read(buf)
		reported = append(reported, buf[:n]...)
		if err != nil {
			break
		}
	}
	cmd.Wait()

	c := &clock{t: time.Now()}
	m := openStore(t, dir, c)
	for _, line := range strings.SplitAfter(string(reported), "\n") {
		if !strings.HasSuffix(line, "\n") {
			continue
		}
		id, err := ParseID(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s := begin(c, kim)
		s.ID = id
		wantCheck(t, m.Live(s), c, WhyLogout)
	}
}

func endUntilKilled(dir string) {
	m, err := OpenStore(dir, Options{})
	if err != nil {
		panic(err)
	}
	for {
		s := New(kim, time.Now(), time.Hour)
		m.Live(&s)
		if _, err := m.End(Ending{s.ID, s.Expires, WhyLogout}); err != nil {
			panic(err)
		}
		fmt.Println(s.ID)
	}
}

func TestATornLastLineIsForgottenQuietly(t *testing.T) {
	c := newClock()
	s := begin(c, kim)
	whole := record{s.ID, s.Expires.Unix(), c.now().Unix(), WhyLogout}.appendTo(nil)
	next := record{NewID(), s.Expires.Unix(), c.now().Unix(), WhyLogout}.appendTo(nil)
	for cut := 0; cut < len(next); cut += 6 {
		dir := t.TempDir()
		b := append([]byte(journalHead+journalVersion+"\n"), whole...)
		os.WriteFile(filepath.Join(dir, journalFile), append(b, next[:cut]...), 0o600)
		m := openStore(t, dir, c) // complaints fail the test
		wantCheck(t, m.Live(s), c, WhyLogout)
		other := begin(c, kim)
		if _, err := m.End(Ending{other.ID, other.Expires, WhyLogout}); err != nil {
			t.Fatal(err)
		}
		m.Close()
		m = openStore(t, dir, c)
		wantCheck(t, m.Live(s), c, WhyLogout)
		wantCheck(t, m.Live(other), c, WhyLogout)
		m.Close()
	}
}

// A sweep's note of activity may be written after the ending that it lost
// against.
func TestActivityInTheJournalWakesNoEndedSession(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := begin(c, kim)
	ending := record{s.ID, s.Expires.Unix(), c.now().Unix(), WhyLogout}
	activity := record{s.ID, s.Expires.Unix(), c.now().Unix() + 1, ""}
	b := activity.appendTo(ending.appendTo([]byte(journalHead + journalVersion + "\n")))
	os.WriteFile(filepath.Join(dir, journalFile), b, 0o600)
	m := openStore(t, dir, c)
	wantCheck(t, m.Live(s), c, WhyLogout)
	m.Close()
	wantCheck(t, openStore(t, dir, c).Live(s), c, WhyLogout)
}

func TestCorruptLinesAreReportedAndSkipped(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	a, b := begin(c, kim), begin(c, kim)
	line := func(s *Session) []byte {
		return record{s.ID, s.Expires.Unix(), c.now().Unix(), WhyLogout}.appendTo(nil)
	}
	bad := line(begin(c, kim))
	bad[10] ^= 1
	os.WriteFile(filepath.Join(dir, journalFile), bytes.Join([][]byte{
		[]byte(journalHead + journalVersion + "\n"), line(a), bad, bytes.Repeat([]byte{0}, 10_000), []byte("\n\n"), line(b),
	}, nil), 0o600)
	m, said := complaints(t, dir, c)
	wantCheck(t, m.Live(a), c, WhyLogout)
	wantCheck(t, m.Live(b), c, WhyLogout)
	path := filepath.Join(dir, journalFile)
	want := []string{
		"session: read journal: " + path + ":3: skip line: found another checksum",
		"session: read journal: " + path + ":4: skip line: found no record",
		"session: read journal: " + path + ":5: skip line: found no record",
	}
	if strings.Join(*said, "\n") != strings.Join(want, "\n") {
		t.Errorf("said\n%s\nwant\n%s", strings.Join(*said, "\n"), strings.Join(want, "\n"))
	}
}

func TestAThousandCorruptLinesMakeFewReports(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, journalFile), bytes.Repeat([]byte("x\n"), 1000), 0o600)
	_, said := complaints(t, dir, newClock())
	if len(*said) != 11 || !strings.HasSuffix((*said)[10], "skipped 1000 lines in all") {
		t.Errorf("said %d things, the last: %s", len(*said), (*said)[len(*said)-1])
	}
}

func TestAJournalOfAnotherVersionIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	const theirs = journalHead + "2\nwhatever\n"
	os.WriteFile(filepath.Join(dir, journalFile), []byte(theirs), 0o600)
	_, err := OpenStore(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), `:1: found version "2", want "1"`) {
		t.Errorf("found %v", err)
	}
	if got := journalOf(t, dir); string(got) != theirs {
		t.Errorf("the file now holds %q", got)
	}
}

func TestOneProcessAtATimeHasTheState(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	_, err := OpenStore(dir, Options{})
	want := fmt.Sprintf("%s is in use by another process (pid %d): stop it, or give each its own STATE_DIR", dir, os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("found %v, want %s", err, want)
	}
	m.Close()
	openStore(t, dir, c)
}

func TestStateIsForOurEyesOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	m := openStore(t, dir, newClock())
	m.Close()
	for path, want := range map[string]os.FileMode{
		dir:                             0o700,
		filepath.Join(dir, journalFile): 0o600,
		filepath.Join(dir, lockFile):    0o600,
	} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %#o, want %#o", path, got, want)
		}
	}
	os.Chmod(dir, 0o770)
	if _, err := OpenStore(dir, Options{}); err == nil || !strings.Contains(err.Error(), "found mode 0770, want 0700") {
		t.Errorf("a directory that others may write: %v", err)
	}
}

func TestTheJournalIsWrittenAnewWhenItHasGrown(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	s := begin(c, kim)
	m.End(Ending{s.ID, s.Expires, WhyLogout})
	noise := record{NewID(), s.Expires.Unix(), c.now().Unix(), ""}.appendTo(nil)
	m.journal.commit(bytes.Repeat(noise, compactMin/len(noise)+1), false)
	if err := m.sweep(m.grain); err != nil {
		t.Fatal(err)
	}
	want := journalHead + journalVersion + "\n" + string(record{s.ID, s.Expires.Unix(), c.now().Unix(), WhyLogout}.appendTo(nil))
	if got := journalOf(t, dir); string(got) != want {
		t.Errorf("found %d bytes, want %q", len(got), want)
	}
	late := begin(c, kim)
	m.End(Ending{late.ID, late.Expires, WhyLogout})
	m.Close()
	m = openStore(t, dir, c)
	wantCheck(t, m.Live(s), c, WhyLogout)
	wantCheck(t, m.Live(late), c, WhyLogout)
}

func BenchmarkEnd(b *testing.B) {
	c := newClock()
	m := openStore(b, b.TempDir(), c)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := m.End(Ending{NewID(), c.now().Add(time.Hour), WhyLogout}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
