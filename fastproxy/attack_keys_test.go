//go:build linux

package fastproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const keysPath = "/.well-known/jwks.json"

// badKeys are answers from which nobody must learn a key.
func badKeys(evil string) map[string]http.HandlerFunc {
	say := func(document string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, document) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"keys":[%s]}`, jwk("mine", evilRSA(), nil))
		}
	}
	mine := jwk("mine", evilRSA(), nil)
	return map[string]http.HandlerFunc{
		"AnEmptyObject":  say(`{}`),
		"NoKeys":         say(`{"keys":[]}`),
		"KeysNull":       say(`{"keys":null}`),
		"KeysAnObject":   say(`{"keys":{"mine":` + mine + `}}`),
		"AnArray":        say(`[` + mine + `]`),
		"OneKeyBare":     say(mine),
		"HTML":           say(`<!doctype html><title>Maintenance</title>`),
		"Nothing":        say(``),
		"Half":           say(`{"keys":[` + mine[:len(mine)/2]),
		"OctOnly":        say(`{"keys":[{"kty":"oct","kid":"mine","alg":"HS256","k":"` + b64([]byte(octSecret)) + `"}]}`),
		"SmallOnly":      say(`{"keys":[` + jwk("mine", smallRSA(), nil) + `]}`),
		"ForEncryption":  say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"use": "enc"}) + `]}`),
		"WithoutKid":     say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"kid": nil}) + `]}`),
		"PrivateHalf":    say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"d": b64(evilRSA().D.Bytes())}) + `]}`),
		"EvenModulus":    say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"n": b64(append([]byte{0x80}, make([]byte, 255)...))}) + `]}`),
		"ExponentOne":    say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"e": "AQ"}) + `]}`),
		"LongExponent":   say(`{"keys":[` + jwk("mine", evilRSA(), map[string]any{"e": b64([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x03"))}) + `]}`),
		"TwoMegabytes":   say(`{"keys":[` + mine + strings.Repeat(" ", 2<<20) + `]}`),
		"TooManyKeys":    say(`{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 5000) + mine + `]}`),
		"AnError":        status(500),
		"NotFound":       status(404),
		"PartialContent": status(206),
		"Elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, evil+"/keys", http.StatusFound)
		},
		"Endless": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"keys":[`+mine+`,`)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(`{"kty":"oct"},`, 1000)); err != nil {
					return
				}
			}
		},
		"Trickling": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"keys":[`+mine)
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(200 * time.Millisecond):
				}
			}
		},
		"Silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
}

// keySets has the issuer's key set go bad, from the start and later: who
// is in stays in, the keys that were good stay good, and nobody else comes in.
func (w *assault) keySets(t *testing.T) {
	var hits atomic.Int32
	evil := startWitness(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		fmt.Fprintf(w, `{"keys":[%s]}`, jwk("mine", evilRSA(), nil))
	})
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for name, answer := range badKeys(fmt.Sprint("http://127.0.0.1:", evil.port)) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) { w.keySet(t, answer) })
		})
	}
	all.Wait()
	if n := hits.Load(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

func (w *assault) keySet(t *testing.T, bad http.HandlerFunc) {
	g := newSiege(t, w.shipped())
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil), jwk("ours-ec", ourEC(), nil))
	l.lie(func(c map[string]any) string { return good(c) })
	forged := func(c map[string]any) string { return compact(headOf("RS256", "mine"), c, evilRSA()) }

	// From the start: nobody can be checked, so nobody comes in.
	l.lieAt(keysPath, bad)
	g.prepare(l.trust(g.origin), "")
	g.run(t)
	eventually(t, "fastproxy to say that it is not ready", func() error { return answers(g.ops+"/readyz", 503) })
	eventually(t, "the keys to be asked for", func() error {
		if l.count(keysPath) == 0 {
			return fmt.Errorf("not yet asked for")
		}
		return nil
	})
	if res, _ := g.bearer(forged(l.accessClaims())); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("without keys, a bearer token gets %s, want 503 with Retry-After", res.Status)
	}
	// It heals by itself.
	l.lieAt(keysPath, nil)
	g.awaitReady(t)
	b := g.guest()
	if res, page := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("with its keys back, signing in ends with %s\n%s", res.Status, page)
	}
	g.shiny.take()

	// Later: the keys that were good stay so.
	l.lieAt(keysPath, bad)
	fetched := l.count(keysPath)
	l.lie(forged)
	d := g.guest()
	if res, _ := d.open(l.callback(d)); res.StatusCode < 400 {
		t.Errorf("with bad keys, signing in by a forged token ends with %s", res.Status)
	}
	if l.count(keysPath) == fetched {
		t.Error("an unknown key id led to no fetch, so this shows nothing")
	}
	if res, _ := g.bearer(forged(l.accessClaims())); res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with bad keys, a forged bearer token gets %s", res.Status)
	}
	if saw := g.shiny.take(); len(saw) > 0 {
		t.Errorf("Shiny saw %q", saw)
	}
	if res, _ := g.bearer(good(l.accessClaims())); res.StatusCode != http.StatusOK {
		t.Errorf("with bad keys, a good bearer token gets %s, want 200 by the keys that were there", res.Status)
	}
	if res, _ := b.open("/reports/"); res.StatusCode != http.StatusOK {
		t.Errorf("with bad keys, somebody signed in gets %s", res.Status)
	}
	l.lie(func(c map[string]any) string { return good(c) })
	c := g.guest()
	if res, _ := c.open(l.callback(c)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("with bad keys, signing in by a key that was there ends with %s", res.Status)
	}
	if err := answers(g.ops+"/readyz", http.StatusOK); err != nil {
		t.Errorf("with the old keys it is ready to serve: %v", err)
	}
}

// madeUpKeys sends a flood of tokens with made-up key ids: the
// issuer is asked at most ten times a minute, and who is honest does not
// notice.
func (w *assault) madeUpKeys(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil), jwk("ours-ec", ourEC(), nil))
	g.begin(l.trust(g.origin), "")
	began := time.Now()
	lasts := 5 * time.Second
	if testing.Short() {
		lasts = 2 * time.Second
	}

	var sent, refused, later atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for n := 0; time.Since(began) < lasts; n++ {
				token := compact(headOf("RS256", fmt.Sprintf("made-up-%d-%d", i, n)), l.accessClaims(), "no matter")
				res, _ := g.bearer(token)
				sent.Add(1)
				switch res.StatusCode {
				case http.StatusUnauthorized:
					refused.Add(1)
				case http.StatusServiceUnavailable:
					later.Add(1)
				default:
					t.Errorf("a made-up key id gets %s", res.Status)
				}
			}
		})
	}
	var slowest time.Duration
	people := 0
	for ; time.Since(began) < lasts; people++ {
		from := time.Now()
		if res, _ := g.bearer(good(changed(l.accessClaims(), map[string]any{"jti": people}))); res.StatusCode != http.StatusOK {
			t.Errorf("meanwhile an honest bearer token gets %s", res.Status)
		}
		b := g.guest()
		if res, _ := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
			t.Errorf("meanwhile an honest sign-in ends with %s", res.Status)
		}
		slowest = max(slowest, time.Since(from))
	}
	all.Wait()
	fetches := l.count(keysPath)
	t.Logf("%d made-up key ids: %d refused, %d told to come later, %d fetches; %d honest people, the slowest %v",
		sent.Load(), refused.Load(), later.Load(), fetches, people, slowest)
	if fetches > 10 {
		t.Errorf("%d fetches, want at most 10 a minute", fetches)
	}
	// A new key is learnt all the same, in the next fetch that strangers may cause.
	l.publish(jwk("ours", ourRSA(), nil), jwk("newer", evilRSA(), nil))
	eventually(t, "a new key to be learnt", func() error {
		res, _ := g.bearer(compact(headOf("RS256", "newer"), l.accessClaims(), evilRSA()))
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("it gets %s", res.Status)
		}
		return nil
	})
	if fetches := l.count(keysPath); fetches > 10 {
		t.Errorf("%d fetches, want at most 10 a minute", fetches)
	}
}

// rotation changes the issuer's keys in each way that is done.
func (w *assault) rotation(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	first := jwk("first", ourRSA(), nil)
	l.publish(first)
	g.begin(l.trust(g.origin), "")
	by := func(kid string, key any) string {
		alg := "RS256"
		if kid == "third" {
			alg = "ES256"
		}
		return compact(headOf(alg, kid), l.accessClaims(), key)
	}
	wants := func(what, token string, status int) {
		t.Helper()
		if res, _ := g.bearer(token); res.StatusCode != status {
			t.Errorf("%s: the bearer gets %s, want %d", what, res.Status, status)
		}
	}
	old := by("first", ourRSA())
	wants("at first", old, 200)

	// A second key appears beside the first, and signs at once.
	l.publish(first, jwk("second", evilRSA(), nil))
	second := by("second", evilRSA())
	wants("a new key beside the old one", second, 200)
	wants("the old key beside the new one", old, 200)

	// All is replaced at once, as after a leak. Strangers may cause a fetch
	// every 7.5 s only; a sign-in causes one at once.
	l.publish(jwk("third", ourEC(), nil))
	l.lie(func(c map[string]any) string { return compact(headOf("ES256", "third"), c, ourEC()) })
	b := g.guest()
	if res, page := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("all keys replaced: signing in ends with %s\n%s", res.Status, page)
	}
	wants("all keys replaced, a new token", by("third", ourEC()), 200)
	for _, token := range []string{old, second, by("first", ourRSA()), by("second", evilRSA())} {
		if res, _ := g.bearer(token); res.StatusCode == http.StatusOK {
			t.Error("all keys replaced, and what the old ones signed is still good, remembered or not")
		}
	}
	if res, _ := b.open("/reports/"); res.StatusCode != http.StatusOK {
		t.Errorf("signed in by the new key: %s", res.Status)
	}

	// Another key under a name that is known: what the old one signed ends with
	// the next fetch, and a sign-in by the new one is not locked out.
	l.publish(jwk("third", evilEC(), nil))
	l.lie(func(c map[string]any) string { return compact(headOf("ES256", "third"), c, evilEC()) })
	c := g.guest()
	if res, page := c.open(l.callback(c)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("another key under the same kid: signing in ends with %s\n%s", res.Status, page)
	}
	if res, _ := g.bearer(by("third", ourEC())); res.StatusCode == http.StatusOK {
		t.Error("another key under the same kid: what the old one signed is still good")
	}
}
