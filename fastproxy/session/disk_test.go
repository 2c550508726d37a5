package session

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// blockRewrites makes writing anew fail until the returned function is called.
func blockRewrites(t *testing.T, dir string) (unblock func()) {
	t.Helper()
	inTheWay := filepath.Join(dir, journalFile+".new")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(inTheWay) }
}

func TestAfterAFailedWriteNothingIsAppendedToHalfALine(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m, _ := complaints(t, dir, c)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	unblock := blockRewrites(t, dir)
	a, b := begin(c, kim), begin(c, kim)

	good := m.journal.file
	m.journal.file = full
	if _, err := m.End(Ending{a.ID, a.Expires, WhyLogout}); err == nil {
		t.Error("want an error: it is not on disk")
	}
	m.journal.file = good // there is room again
	unblock()
	if _, err := m.End(Ending{b.ID, b.Expires, WhyLogout}); err != nil {
		t.Fatal(err)
	}
	m.journal.close()
	m = openStore(t, dir, c)
	wantCheck(t, m.Live(a), c, WhyLogout)
	wantCheck(t, m.Live(b), c, WhyLogout)
}

func TestAJournalThatCannotBeShortenedStillTakesEndings(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	unblock := blockRewrites(t, dir)
	m.journal.size = compactMin
	if err := m.sweep(m.grain); err == nil {
		t.Error("want an error")
	}
	s := begin(c, kim)
	if _, err := m.End(Ending{s.ID, s.Expires, WhyLogout}); err != nil {
		t.Fatal(err)
	}
	m.journal.close()
	unblock()
	wantCheck(t, openStore(t, dir, c).Live(s), c, WhyLogout)
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
	waiting := func() int {
		m.journal.mu.Lock()
		defer m.journal.mu.Unlock()
		return bytes.Count(m.journal.next.lines, []byte("\n"))
	}
	for range 10_000 {
		if waiting() == len(all) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := waiting(); n != len(all) {
		t.Errorf("%d wait together, want %d", n, len(all))
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
