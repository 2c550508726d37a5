package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	for cut := range len(next) {
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

// A write that fails may leave half a line: everything is written anew.
func TestAfterAFailedWriteTheWholeJournalIsWrittenAnew(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m, said := complaints(t, dir, c)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	m.journal.file.Close()
	m.journal.file = full
	s := begin(c, kim)
	if _, err := m.End(Ending{s.ID, s.Expires, WhyLogout}); err != nil {
		t.Fatal(err)
	}
	if len(*said) != 1 || !strings.Contains((*said)[0], "session: write journal: ") {
		t.Errorf("said %q", *said)
	}
	m.journal.close()
	m = openStore(t, dir, c)
	wantCheck(t, m.Live(s), c, WhyLogout)
}

func TestADeadDiskIsToldButEndsAllTheSame(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "state"), newClock()
	m, _ := complaints(t, dir, c)
	os.RemoveAll(dir)
	m.journal.disk.Lock()
	m.journal.broken = true
	m.journal.disk.Unlock()

	r := NewRegistry(m, RegistryOptions{Now: c.now})
	s := begin(c, kim)
	l := m.Live(s)
	tunnel := &stream{}
	if _, err := r.Bind(l, tunnel); err != nil {
		t.Fatal(err)
	}
	n, err := r.End(s.ID, s.Expires, WhyLogout)
	if n != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("End = %d, %v, want 1 and the disk's error", n, err)
	}
	wantEnded(t, tunnel, WhyLogout)
	wantCheck(t, l, c, WhyLogout)

	// The disk comes back: so does what it missed.
	os.Mkdir(dir, 0o700)
	if err := m.sweep(m.grain); err != nil {
		t.Fatal(err)
	}
	m.journal.close()
	wantCheck(t, openStore(t, dir, c).Live(s), c, WhyLogout)
}

func TestStreamsCloseWithoutWaitingForTheDisk(t *testing.T) {
	d := openDoor(t, t.TempDir())
	l := d.live(kim)
	closed := make(chan Why, 1)
	if _, err := d.Bind(l, signal(closed)); err != nil {
		t.Fatal(err)
	}
	d.store.journal.disk.Lock() // the disk hangs
	done := make(chan error)
	go func() {
		_, err := d.End(l.ID(), l.Expires(), WhyLogout)
		done <- err
	}()
	if why := <-closed; why != WhyLogout {
		t.Errorf("closed by %s", why)
	}
	wantCheck(t, l, d.clock, WhyLogout)
	select {
	case err := <-done:
		t.Errorf("End returned %v before the disk had it", err)
	default:
	}
	d.store.journal.disk.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type signal chan Why

func (s signal) End(why Why)       { s <- why }
func (signal) ClientBytes() uint64 { return 0 }

func TestEndingsAtTheSameTimeShareOneWrite(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	all := make([]*Session, 100)
	m.journal.disk.Lock()
	var wg sync.WaitGroup
	for i := range all {
		all[i] = begin(c, kim)
		wg.Go(func() {
			if _, err := m.End(Ending{all[i].ID, all[i].Expires, WhyLogout}); err != nil {
				t.Error(err)
			}
		})
	}
	for {
		m.journal.mu.Lock()
		n := bytes.Count(m.journal.next.lines, []byte("\n"))
		m.journal.mu.Unlock()
		if n == len(all) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	m.journal.disk.Unlock()
	wg.Wait()
	m.journal.close()
	m = openStore(t, dir, c)
	for _, s := range all {
		wantCheck(t, m.Live(s), c, WhyLogout)
	}
}

func TestEndAfterCloseIsAnErrorThatStillEnds(t *testing.T) {
	c := newClock()
	m := openStore(t, t.TempDir(), c)
	s := begin(c, kim)
	l := m.Live(s)
	m.Close()
	if _, err := m.End(Ending{s.ID, s.Expires, WhyLogout}); err == nil {
		t.Error("want an error")
	}
	wantCheck(t, l, c, WhyLogout)
}

func TestRecordsReadWhatTheyWrite(t *testing.T) {
	for _, r := range []record{
		{NewID(), 1_700_000_000, 1_600_000_000, WhyPasswordChanged},
		{NewID(), 1, 0, ""},
	} {
		line := r.appendTo(nil)
		if len(line) > lineMax {
			t.Errorf("a line of %d bytes", len(line))
		}
		got, err := parseRecord(line[:len(line)-1])
		if err != nil || got != r {
			t.Errorf("wrote %q, read %+v, %v", line, got, err)
		}
	}
	odd := record{why: "two\nlines"}.appendTo(nil)
	if got, err := parseRecord(odd[:len(odd)-1]); err != nil || got.why != whyOther {
		t.Errorf("wrote %q, read %+v, %v", odd, got, err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(string(record{NewID(), 1_700_000_000, 1_600_000_000, WhyLogout}.appendTo(nil)))
	f.Add("A 00 1 1 - 00000000")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRecord([]byte(strings.TrimSuffix(s, "\n")))
		if err != nil {
			return
		}
		line := r.appendTo(nil)
		if again, err := parseRecord(line[:len(line)-1]); err != nil || again != r {
			t.Errorf("read %+v, then %+v, %v", r, again, err)
		}
	})
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
