package session

import (
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
)

func live(c *clock, idle, max time.Duration) *Live {
	return newLive(begin(c, kim), idle, max, time.Time{})
}

func TestASessionIdlesOutUnlessItIsTouched(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	c.add(59 * time.Minute)
	wantCheck(t, l, c, "")
	l.Touch(c.now())
	c.add(59 * time.Minute)
	wantCheck(t, l, c, "")
	c.add(time.Minute)
	wantCheck(t, l, c, WhyIdle)
	if l.Ended() {
		t.Error("nobody ended it")
	}
}

func TestTouchNeverGoesBack(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	l.Touch(c.now().Add(30 * time.Minute))
	l.Touch(c.now())
	c.add(89 * time.Minute)
	wantCheck(t, l, c, "")
}

func TestASessionEndsAtTheEarlierOfCookieAndSetting(t *testing.T) {
	c := newClock()
	short, long := live(c, 0, time.Hour), live(c, 0, 365*24*time.Hour)
	c.add(time.Hour - 1)
	wantCheck(t, short, c, "")
	c.add(1)
	wantCheck(t, short, c, WhyExpired)
	c.add(7*24*time.Hour - time.Hour)
	wantCheck(t, long, c, WhyExpired)
}

func TestTheFirstWhyStays(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	l.end(WhyLogout)
	l.end(WhyAdmin)
	c.add(30 * 24 * time.Hour)
	wantCheck(t, l, c, WhyLogout)
	if l.Why() != WhyLogout || !l.Ended() || l.Alive(c.now()) {
		t.Error("want it ended by logout")
	}
}

func TestEndingWithoutAWordStillEnds(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	l.end("")
	if !l.Ended() || l.Alive(c.now()) {
		t.Error("want it ended")
	}
}

func TestStreamsOfOneSessionComeAndGoInAnyOrder(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	var all []*Binding
	for range 50 {
		b := &Binding{live: l, stream: &stream{}}
		if why := l.bind(b, nil, c.now()); why != "" {
			t.Fatal(why)
		}
		all = append(all, b)
	}
	for i := range all {
		b := all[(i*17)%50]
		if !l.unbind(b) {
			t.Fatalf("binding %d is lost", i)
		}
		if l.unbind(b) {
			t.Fatalf("binding %d was there twice", i)
		}
	}
	if n := l.streaming(); n != 0 {
		t.Errorf("%d left", n)
	}
}

func TestAskingALiveAllocatesNothing(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	now := c.now()
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(2 * time.Second)
		if l.Check(now) == "" {
			l.Touch(now)
		}
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

func TestLivesAreSafeForManyGoroutines(t *testing.T) {
	c := newClock()
	l := live(c, time.Hour, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				c.add(time.Second / 100)
				if l.Alive(c.now()) {
					l.Touch(c.now())
				}
				l.Info()
			}
			l.end(WhyLogout)
		})
	}
	wg.Wait()
	wantCheck(t, l, c, WhyLogout)
}

func TestInfoTellsWhoAndUntilWhen(t *testing.T) {
	c := newClock()
	s := begin(c, kim)
	s.SID, s.Line = "sid", "line"
	l := newLive(s, time.Hour, 0, time.Time{})
	c.add(time.Minute)
	l.Touch(c.now())
	l.bind(&Binding{live: l, stream: &stream{}}, nil, c.now())
	got := l.Info()
	want := Info{
		ID:       s.ID,
		Key:      identity.Key{Method: identity.MethodOIDC, Issuer: "https://tenant.example/", Subject: "auth0|5ad"},
		SID:      "sid",
		Line:     "line",
		IssuedAt: s.IssuedAt,
		Expires:  s.Expires,
		LastSeen: c.now(),
		Streams:  1,
	}
	if got != want {
		t.Errorf("found %+v\nwant  %+v", got, want)
	}
}

func BenchmarkCheckAndTouch(b *testing.B) {
	c := newClock()
	l := live(c, time.Hour, 0)
	now := c.now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l.Check(now) == "" {
				l.Touch(now)
			}
		}
	})
}
