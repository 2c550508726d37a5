package session

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
)

// stream is a tunnel that remembers how it was ended.
type stream struct {
	mu    sync.Mutex
	whys  []Why
	bytes atomic.Uint64
}

func (s *stream) End(why Why) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whys = append(s.whys, why)
}

func (s *stream) ClientBytes() uint64 { return s.bytes.Load() }

func (s *stream) ended() []Why {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Why(nil), s.whys...)
}

func wantEnded(t *testing.T, s *stream, want ...Why) {
	t.Helper()
	got := s.ended()
	if len(got) != len(want) {
		t.Fatalf("stream ended by %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("stream ended by %v, want %v", got, want)
		}
	}
}

type ended struct {
	id      ID
	why     Why
	streams int
}

// door is a registry over a store in dir, with what it told of endings.
type door struct {
	*Registry
	store *Memory
	clock *clock
	told  []ended
}

func openDoor(t testing.TB, dir string) *door {
	d := &door{clock: newClock()}
	d.store = openStore(t, dir, d.clock)
	d.Registry = NewRegistry(d.store, RegistryOptions{
		Now:     d.clock.now,
		OnError: func(err error) { t.Error(err) },
		OnEnd:   func(i Info, why Why, n int) { d.told = append(d.told, ended{i.ID, why, n}) },
	})
	return d
}

func (d *door) live(p identity.Principal) *Live { return d.store.Live(begin(d.clock, p)) }

func (d *door) open(t testing.TB, l *Live) (*stream, *Binding) {
	t.Helper()
	s := &stream{}
	b, err := d.Bind(l, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func wantStreams(t *testing.T, r *Registry, want int) {
	t.Helper()
	if got := r.Streams(); got != want {
		t.Errorf("%d streams, want %d", got, want)
	}
}

func TestLogoutClosesLiveStreams(t *testing.T) {
	d := openDoor(t, t.TempDir())
	l := d.live(kim)
	a, _ := d.open(t, l)
	b, released := d.open(t, l)
	other, _ := d.open(t, d.live(sam))
	wantStreams(t, d.Registry, 3)

	released.Release()
	n, err := d.End(l.ID(), l.Expires(), WhyLogout)
	if n != 1 || err != nil {
		t.Errorf("End = %d, %v, want 1 stream", n, err)
	}
	wantEnded(t, a, WhyLogout)
	wantEnded(t, b)
	wantEnded(t, other)
	wantStreams(t, d.Registry, 1)
	if len(d.told) != 1 || d.told[0] != (ended{l.ID(), WhyLogout, 1}) {
		t.Errorf("told of %v", d.told)
	}
	if _, err := d.Bind(l, &stream{}); !errors.Is(err, ErrEnded) {
		t.Errorf("Bind after the end: %v, want ErrEnded", err)
	}
	wantStreams(t, d.Registry, 1)
}

func TestReleaseMayComeTwiceAndAfterTheEnd(t *testing.T) {
	d := openDoor(t, "")
	l := d.live(kim)
	s, b := d.open(t, l)
	d.End(l.ID(), l.Expires(), WhyLogout)
	b.Release()
	b.Release()
	wantEnded(t, s, WhyLogout)
	wantStreams(t, d.Registry, 0)
}

func TestASessionThatWasNeverSeenHereCanBeEnded(t *testing.T) {
	d := openDoor(t, t.TempDir())
	s := begin(d.clock, kim)
	if n, err := d.End(s.ID, s.Expires, WhyAdmin); n != 0 || err != nil {
		t.Errorf("End = %d, %v", n, err)
	}
	l := d.store.Live(s)
	wantCheck(t, l, d.clock, WhyAdmin)
	if _, err := d.Bind(l, &stream{}); !errors.Is(err, ErrEnded) {
		t.Errorf("Bind: %v, want ErrEnded", err)
	}
}

// Whatever the order of Bind and End, no stream outlives its session.
func TestNoStreamSlipsThroughAnEnding(t *testing.T) {
	d := openDoor(t, "")
	for range 200 {
		l := d.live(kim)
		streams := make([]stream, 8)
		refused := make([]bool, len(streams))
		var wg sync.WaitGroup
		for i := range streams {
			wg.Go(func() {
				_, err := d.Bind(l, &streams[i])
				refused[i] = err != nil
			})
		}
		wg.Go(func() { d.store.End(Ending{l.ID(), l.Expires(), WhyLogout}) })
		wg.Wait()
		for i := range streams {
			if closed := len(streams[i].ended()) == 1; closed == refused[i] {
				t.Fatalf("stream %d: closed %v, refused %v", i, closed, refused[i])
			}
		}
	}
	wantStreams(t, d.Registry, 0)
}

func TestStreamsEndWhenTheirSessionExpiresOrIdlesOut(t *testing.T) {
	d := openDoor(t, t.TempDir())
	idle, busy := d.live(kim), d.live(sam)
	quiet, _ := d.open(t, idle)
	typing, _ := d.open(t, busy)

	d.clock.add(11 * time.Hour)
	typing.bytes.Add(10)
	d.sweep()
	wantEnded(t, quiet)
	d.clock.add(time.Hour)
	d.sweep()
	wantEnded(t, quiet, WhyIdle)
	wantEnded(t, typing)
	wantCheck(t, idle, d.clock, WhyIdle)

	for range 15 {
		d.clock.add(10 * time.Hour)
		typing.bytes.Add(1)
		d.sweep()
	}
	wantEnded(t, typing)
	d.clock.add(6 * time.Hour)
	typing.bytes.Add(1)
	d.sweep()
	wantEnded(t, typing, WhyExpired)
	wantStreams(t, d.Registry, 0)
	want := []ended{{idle.ID(), WhyIdle, 1}, {busy.ID(), WhyExpired, 1}}
	if len(d.told) != 2 || d.told[0] != want[0] || d.told[1] != want[1] {
		t.Errorf("told of %v, want %v", d.told, want)
	}
}

func TestBytesFromBeforeALongSleepDoNotWakeASession(t *testing.T) {
	d := openDoor(t, "")
	s, _ := d.open(t, d.live(kim))
	s.bytes.Add(1)
	d.clock.add(13 * time.Hour)
	d.sweep()
	wantEnded(t, s, WhyIdle)
}

func TestWhatAStreamSentLastCountsAsActivity(t *testing.T) {
	d := openDoor(t, "")
	l := d.live(kim)
	s, b := d.open(t, l)
	d.clock.add(11 * time.Hour)
	s.bytes.Add(1)
	b.Release()
	d.clock.add(11 * time.Hour)
	wantCheck(t, l, d.clock, "")
}

func TestABearersStreamEndsWithItsToken(t *testing.T) {
	d := openDoor(t, "")
	s := &stream{}
	if _, err := d.BindUntil(kim.Key(), d.clock.now(), s); !errors.Is(err, ErrEnded) {
		t.Errorf("a token past its time: %v, want ErrEnded", err)
	}
	if _, err := d.BindUntil(kim.Key(), d.clock.now().Add(time.Hour), s); err != nil {
		t.Fatal(err)
	}
	d.clock.add(time.Hour - 1)
	d.sweep()
	wantEnded(t, s)
	d.clock.add(1)
	d.sweep()
	wantEnded(t, s, WhyExpired)
	wantStreams(t, d.Registry, 0)
}

func TestTokensMayLastForAges(t *testing.T) {
	d := openDoor(t, "")
	if _, err := d.BindUntil(kim.Key(), time.Date(5000, 1, 1, 0, 0, 0, 0, time.UTC), &stream{}); err != nil {
		t.Error(err)
	}
	if _, err := d.BindUntil(kim.Key(), time.Time{}, &stream{}); !errors.Is(err, ErrEnded) {
		t.Errorf("found %v, want ErrEnded", err)
	}
}

func TestEndWhereEndsAllThatMatchAndTheirBearers(t *testing.T) {
	d := openDoor(t, t.TempDir())
	one, two, other := d.live(kim), d.live(kim), d.live(sam)
	a, _ := d.open(t, one)
	b, _ := d.open(t, other)
	token := &stream{}
	if _, err := d.BindUntil(kim.Key(), d.clock.now().Add(time.Hour), token); err != nil {
		t.Fatal(err)
	}
	n, err := d.EndWhere(func(i Info) bool { return i.Key == kim.Key() }, WhyAdmin)
	if n != 3 || err != nil {
		t.Errorf("EndWhere = %d, %v, want 3", n, err)
	}
	wantEnded(t, a, WhyAdmin)
	wantEnded(t, token, WhyAdmin)
	wantEnded(t, b)
	wantCheck(t, two, d.clock, WhyAdmin)
	wantCheck(t, other, d.clock, "")
	if n, _ := d.EndWhere(func(i Info) bool { return i.Key == kim.Key() }, WhyAdmin); n != 0 {
		t.Errorf("again: %d, want none", n)
	}
	if list := d.Sessions(); len(list) != 1 || list[0].ID != other.ID() || list[0].Streams != 1 {
		t.Errorf("left: %+v", list)
	}
}

func TestClosingStreamsLeavesTheSession(t *testing.T) {
	d := openDoor(t, "")
	l := d.live(kim)
	a, _ := d.open(t, l)
	b, binding := d.open(t, l)
	if n := d.CloseStreams(func(s Stream) bool { return s == a }, WhyRuleChanged); n != 1 {
		t.Errorf("closed %d, want 1", n)
	}
	wantEnded(t, a, WhyRuleChanged)
	wantEnded(t, b)
	if n := d.CloseStreams(nil, WhyShutdown); n != 1 {
		t.Errorf("closed %d, want 1", n)
	}
	wantEnded(t, b, WhyShutdown)
	binding.Release()
	wantStreams(t, d.Registry, 0)
	wantCheck(t, l, d.clock, "")
}

func TestTheRegistryForgetsWhoHasNoStreams(t *testing.T) {
	d := openDoor(t, "")
	for range 100 {
		_, b := d.open(t, d.live(kim))
		b.Release()
	}
	d.sweep()
	if len(d.bound) != 0 {
		t.Errorf("%d remembered", len(d.bound))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	m := openStore(t, t.TempDir(), newClock())
	r := NewRegistry(m, RegistryOptions{Every: time.Millisecond})
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(t.Context()) })
	wg.Go(func() { m.Run(t.Context()) })
	t.Cleanup(wg.Wait)
}
