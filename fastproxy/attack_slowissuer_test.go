//go:build linux

package fastproxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowIssuer has many people sign in while the issuer says nothing: few
// wait for it, nobody for long, and nothing of them stays.
func (w *assault) slowIssuer(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil))
	var here, most atomic.Int32
	hang := func(_ http.ResponseWriter, r *http.Request) {
		for n := here.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer here.Add(-1)
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	const people = 300

	// Before it was ever heard of.
	l.lieAt("/.well-known/openid-configuration", hang)
	g.prepare(l.trust(g.origin), "")
	g.run(t)
	eventually(t, "fastproxy to say that it is not ready", func() error { return answers(g.ops+"/readyz", 503) })
	quiet := g.goroutines(t)
	g.crowd(people, "opens a page", func(b *guest) int {
		res, _ := b.open("/reports/")
		return res.StatusCode
	})
	if n := most.Swap(0); n > 1 {
		t.Errorf("%d discoveries at once, want one", n)
	}
	l.lieAt("/.well-known/openid-configuration", nil)
	g.awaitReady(t)

	// While codes are redeemed.
	l.lieAt("/oauth/token", hang)
	var guests []*guest
	var codes []string
	for range people {
		b := g.guest()
		res, _ := b.open("/login")
		to, err := url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		guests, codes = append(guests, b), append(codes, "/callback?code=c&state="+url.QueryEscape(to.Query().Get("state")))
	}
	var next atomic.Int32
	g.crowd(people, "comes back with a code", func(*guest) int {
		i := next.Add(1) - 1
		res, _ := guests[i].open(codes[i])
		return res.StatusCode
	})
	// Whom we give up on, the issuer notices a moment later.
	if n := most.Swap(0); n > 64+16 {
		t.Errorf("%d codes redeemed at once, want at most 64", n)
	}
	l.lieAt("/oauth/token", nil)

	// While keys are fetched for a key id that nobody knows.
	l.lieAt(keysPath, hang)
	g.crowd(people, "brings a made-up key", func(*guest) int {
		res, _ := g.bearer(compact(headOf("RS256", fmt.Sprint("made-up-", next.Add(1))), l.accessClaims(), "no matter"))
		return res.StatusCode
	})
	if n := most.Swap(0); n > 1 {
		t.Errorf("%d fetches of keys at once, want one", n)
	}
	l.lieAt(keysPath, nil)

	// While userinfo is asked, which only completes what is known.
	l.lieAt("/userinfo", hang)
	l.lie(func(c map[string]any) string { return good(changed(c, map[string]any{"email": nil})) })
	b := g.guest()
	if res, _ := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("with userinfo silent a sign-in ends with %s, want 303 without an address", res.Status)
	}
	eventually(t, "the goroutines to go", func() error {
		if n := g.goroutines(t); n > quiet+20 {
			return fmt.Errorf("%d goroutines, %d before", n, quiet)
		}
		return nil
	})
}

// crowd has many people do one thing at once; each must be told within 20 s to
// come later: it waits 5 s for a turn and 5 s for the issuer.
func (g *siege) crowd(n int, what string, do func(*guest) int) {
	g.t.Helper()
	quiet := g.goroutines(g.t)
	stop := make(chan struct{})
	most := make(chan int)
	go func() {
		top := 0
		for {
			select {
			case <-stop:
				most <- top
				return
			case <-time.After(200 * time.Millisecond):
				top = max(top, g.goroutines(g.t))
			}
		}
	}()
	var all sync.WaitGroup
	var slowest atomic.Int64
	for range n {
		all.Go(func() {
			began := time.Now()
			if status := do(g.guest()); status != http.StatusServiceUnavailable {
				g.t.Errorf("whoever %s gets %d, want 503", what, status)
			}
			for d := int64(time.Since(began)); ; {
				if m := slowest.Load(); d <= m || slowest.CompareAndSwap(m, d) {
					break
				}
			}
		})
	}
	all.Wait()
	close(stop)
	top := <-most
	g.t.Logf("%d times somebody %s: told after %v at most; %d goroutines, %d before", n, what, time.Duration(slowest.Load()).Round(time.Millisecond), top, quiet)
	if d := time.Duration(slowest.Load()); d > 20*time.Second {
		g.t.Errorf("whoever %s waits %v, want 20 s at most", what, d)
	}
	// One for each connection, and for 64 of them what an HTTP client needs.
	if limit := quiet + n + 64*4; top > limit {
		g.t.Errorf("whoever %s: %d goroutines, want %d at most", what, top, limit)
	}
}

// goroutines asks the control socket how many there are.
func (p *proxy) goroutines(t testing.TB) int {
	t.Helper()
	var d net.Dialer
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", filepath.Join(p.dir, "state", "control.sock"))
	}}}
	res, err := c.Get("http://control/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	n := 0
	if _, err := fmt.Fscanf(res.Body, "goroutine profile: total %d", &n); err != nil {
		t.Error(err)
	}
	return n
}
