package oidc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bubble is an issuer inside a synctest bubble, where time is made: down, slow
// or well.
type bubble struct {
	down, stuck atomic.Bool
	asked       atomic.Int64 // discoveries
	redeeming   atomic.Int64 // token requests under way
	most        atomic.Int64
}

func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.HasSuffix(r.URL.Path, "/token")
	if token {
		n := b.redeeming.Add(1)
		defer b.redeeming.Add(-1)
		for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
		}
	} else {
		b.asked.Add(1)
	}
	if b.stuck.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if b.down.Load() {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(goodDocument)), Request: r}, nil
}

func startBubble(t *testing.T, b *bubble) *Provider {
	p, err := New(Config{Issuer: "https://issuer.example/", ClientID: clientID, RedirectURL: callbackURL, Keys: trusting{}, Client: &http.Client{Transport: b}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

func TestAnIssuerThatIsDownAtStartIsFoundWhenItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{}
		b.down.Store(true)
		p := startBubble(t, b)
		time.Sleep(2 * time.Minute)
		// At 0, 1, 3, 7, 15, 31, 63 seconds.
		if n := b.asked.Load(); n != 7 || p.Ready() == nil {
			t.Errorf("found %d tries and ready %v, want 7 tries and an error", n, p.Ready())
		}
		began := time.Now()
		if _, _, err := p.Start(t.Context(), StartOptions{}); KindOf(err) != KindUnavailable || time.Since(began) > time.Second {
			t.Errorf("found %v after %v", err, time.Since(began))
		}
		b.down.Store(false)
		time.Sleep(nudgeEvery)
		if to, _, err := p.Start(t.Context(), StartOptions{}); err != nil || !strings.HasPrefix(to, "https://issuer.example/authorize?") {
			t.Errorf("a visitor after the issuer came: found %q, %v", to, err)
		}
		if p.Ready() != nil {
			t.Error(p.Ready())
		}
		if u, err := p.JWKSURL(t.Context()); err != nil || u != "https://issuer.example/.well-known/jwks.json" {
			t.Errorf("found %q, %v", u, err)
		}
	})
}

func TestADiscoveryThatFailsLaterChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{}
		p := startBubble(t, b)
		if _, _, err := p.Start(t.Context(), StartOptions{}); err != nil {
			t.Fatal(err)
		}
		b.down.Store(true)
		time.Sleep(3 * time.Hour)
		if _, _, err := p.Start(t.Context(), StartOptions{}); err != nil || p.Ready() != nil {
			t.Errorf("found %v, ready %v", err, p.Ready())
		}
	})
}

func TestVisitorsDoNotPileUpWhileDiscoveryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{}
		b.stuck.Store(true)
		p := startBubble(t, b)
		synctest.Wait()
		var wg sync.WaitGroup
		var waited atomic.Int64
		for range 1000 {
			wg.Go(func() {
				began := time.Now()
				if _, _, err := p.Start(context.Background(), StartOptions{}); KindOf(err) != KindUnavailable {
					t.Errorf("found %v", err)
				}
				if d := time.Since(began); d > patience {
					t.Errorf("somebody waited %v", d)
				} else if d > 0 {
					waited.Add(1)
				}
			})
		}
		wg.Wait()
		if n := waited.Load(); n > waitersMax {
			t.Errorf("found %d who waited, want at most %d", n, waitersMax)
		}
		before := b.asked.Load()
		for range 600 { // a minute of visitors
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			p.Start(ctx, StartOptions{})
			cancel()
			time.Sleep(90 * time.Millisecond)
		}
		if n := b.asked.Load() - before; n > 10 {
			t.Errorf("found %d discoveries in a minute, want at most 10", n)
		}
	})
}

func TestSignInsDoNotPileUpWhileTheTokenEndpointHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{}
		p := startBubble(t, b)
		_, a, err := p.Start(t.Context(), StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.stuck.Store(true)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				began := time.Now()
				if _, err := p.Finish(context.Background(), a, "code"); KindOf(err) != KindUnavailable {
					t.Errorf("found %v", err)
				}
				if d := time.Since(began); d > 2*patience {
					t.Errorf("somebody waited %v", d)
				}
			})
		}
		wg.Wait()
		if n := b.most.Load(); n != finishMax {
			t.Errorf("found %d token requests at once, want %d", n, finishMax)
		}
	})
}

func TestACallerGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{}
		b.stuck.Store(true)
		p := startBubble(t, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := p.JWKSURL(ctx)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("found %v after %v", err, time.Since(began))
		}
	})
}
