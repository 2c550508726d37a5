package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestActivityIsKnownAfterARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := begin(c, kim)
	m := openStore(t, dir, c)
	l := m.Live(s)
	c.add(11 * time.Hour)
	l.Touch(c.now())
	m.Close()

	c.add(11 * time.Hour)
	m = openStore(t, dir, c)
	l = m.Live(s)
	wantCheck(t, l, c, "")
	c.add(time.Hour)
	wantCheck(t, l, c, WhyIdle)
}

// Killed without Close, the last note may be some minutes old.
func TestActivityIsNotedCoarselyWhileRunning(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := begin(c, kim)
	m := openStore(t, dir, c)
	l := m.Live(s)
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, journalFile))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	empty := size()
	for range 10 {
		c.add(time.Minute)
		l.Touch(c.now())
		if err := m.sweep(m.grain); err != nil {
			t.Fatal(err)
		}
	}
	if grown := size() - empty; grown < 100 || grown > 200 {
		t.Errorf("the journal has grown by %d bytes in ten minutes, want two lines", grown)
	}
	m.journal.close() // what the kernel does to a killed process
	m = openStore(t, dir, c)
	if got, want := m.Live(s).Info().LastSeen, c.now(); !got.Equal(want) {
		t.Errorf("last seen %v, want %v", got, want)
	}
}

func TestASessionNobodyKnowsBeginsWhenItWasIssued(t *testing.T) {
	c := newClock()
	m := openStore(t, "", c)
	s := begin(c, kim)
	c.add(12*time.Hour - 1)
	wantCheck(t, m.Live(s), c, "")
	old := begin(c, kim)
	c.add(12 * time.Hour)
	wantCheck(t, m.Live(old), c, WhyIdle)
	if m.Peek(old.ID) != nil {
		t.Error("an idle session is kept")
	}
}

// The gate's clock was read a little earlier than the store's.
func TestWhatTheStoreRefusesIsEndedForEarlierClocksToo(t *testing.T) {
	c := newClock()
	m := openStore(t, "", c)
	s := begin(c, kim)
	c.add(12 * time.Hour)
	if l := m.Live(s); l.Check(c.now().Add(-1)) != WhyIdle {
		t.Error("an earlier clock finds it alive, and no End would")
	}
}

func TestOneSessionHasOneLive(t *testing.T) {
	c := newClock()
	m := openStore(t, "", c)
	s := begin(c, kim)
	l := m.Live(s)
	if m.Live(s) != l || m.Peek(s.ID) != l {
		t.Error("want the same Live")
	}
	if m.Peek(NewID()) != nil {
		t.Error("want nil for nobody")
	}
}

// A gate that holds the Live of a session the store has forgotten must see it
// ended: End would mark another one.
func TestWhatTheStoreForgetsIsEndedForGood(t *testing.T) {
	c := newClock()
	m := openStore(t, "", c)
	s := begin(c, kim)
	l := m.Live(s)
	c.add(12 * time.Hour)
	m.sweep(m.grain)
	if m.Peek(s.ID) != nil {
		t.Fatal("an idle session is kept")
	}
	l.Touch(c.now()) // a request that had asked before
	wantCheck(t, l, c, WhyIdle)
	wantCheck(t, m.Live(s), c, WhyIdle)
}

func TestAnEndingIsForgottenWhenItsCookieHasExpired(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	known, unknown, timeless := begin(c, kim), begin(c, kim), begin(c, kim)
	m.Live(known)
	if _, err := m.End(
		Ending{known.ID, known.Expires, WhyLogout},
		Ending{unknown.ID, unknown.Expires, WhyLogout},
		Ending{ID: timeless.ID, Why: WhyLogout},
	); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		m.state(func(record) { n++ })
		return n
	}
	c.add(7*24*time.Hour - time.Second)
	m.sweep(m.grain)
	if n := count(); n != 3 {
		t.Errorf("%d remembered, want 3", n)
	}
	m.Close()
	m = openStore(t, dir, c)
	if n := count(); n != 3 {
		t.Errorf("%d remembered after a restart, want 3", n)
	}
	c.add(time.Second)
	m.sweep(m.grain)
	if n := count(); n != 0 {
		t.Errorf("%d remembered, want none", n)
	}
}

// Max may be lowered and raised again; the ending must outlive the cookie.
func TestAnEndingOutlivesAShorterSetting(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m, err := OpenStore(dir, Options{Max: time.Hour, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	s := begin(c, kim)
	l := m.Live(s)
	m.End(Ending{s.ID, l.Expires(), WhyLogout})
	c.add(2 * time.Hour)
	m.sweep(m.grain)
	m.Close()
	m = openStore(t, dir, c)
	wantCheck(t, m.Live(s), c, WhyLogout)
}

func TestTheFirstEndingStaysInMemoryAndOnDisk(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := openStore(t, dir, c)
	known, unknown := begin(c, kim), begin(c, kim)
	m.Live(known)
	for _, why := range []Why{WhyLogout, WhyAdmin} {
		m.End(Ending{known.ID, known.Expires, why}, Ending{unknown.ID, unknown.Expires, why})
	}
	for range 2 {
		wantCheck(t, m.Live(known), c, WhyLogout)
		wantCheck(t, m.Live(unknown), c, WhyLogout)
		m.Close()
		m = openStore(t, dir, c)
	}
}

func TestOpenStoreRefusesImpossibleSettings(t *testing.T) {
	for _, o := range []Options{{Idle: -1}, {Max: -1}, {Max: 1 << 62}} {
		if _, err := OpenStore("", o); err == nil {
			t.Errorf("%+v: want an error", o)
		}
	}
}
