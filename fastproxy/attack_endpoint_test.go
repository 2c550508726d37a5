//go:build linux

package fastproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// badAnswers are what an endpoint of the issuer's may say instead of what it
// should. evil is another server, which would get codes, secrets and tokens.
func badAnswers(evil string) map[string]http.HandlerFunc {
	say := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	all := map[string]http.HandlerFunc{
		"nothing": say(200, "application/json", ""), "null": say(200, "application/json", "null"), "an empty object": say(200, "application/json", "{}"), "an array": say(200, "application/json", `[{"id_token":"x"}]`),
		"HTML": say(200, "text/html", "<title>Maintenance</title>"), "half": say(200, "application/json", `{"id_token":"`), "three megabytes": say(200, "application/json", `{"x":"`+strings.Repeat("y", 3<<20)+`"}`),
		"nonsense": say(200, "application/json", `{"id_token":{},"access_token":7,"token_type":[]}`), "a word": say(200, "application/json", `{"id_token":"x","access_token":"y","token_type":"Bearer"}`),
		"deep": say(200, "application/json", strings.Repeat("[", 100000)), "500": say(500, "text/plain", "secret words of another's log"), "429": say(429, "application/json", `{"error":"too_many_requests"}`),
		"an error with words": say(403, "application/json", `{"error":"invalid_grant","error_description":"<script>pwned()</script>"}`), "an error that is none": say(400, "application/json", `{"error":{"x":1}}`),
		"an endless one": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"x":"`)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("y", 64<<10)); err != nil {
					return
				}
			}
		},
		"a reset": func(w http.ResponseWriter, r *http.Request) {
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				c.Close()
			}
		},
		"a long head": func(w http.ResponseWriter, r *http.Request) {
			for i := range 400 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("y", 1000))
			}
			io.WriteString(w, "{}")
		},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		all[fmt.Sprint(status)] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil+r.URL.RequestURI(), status) }
	}
	return all
}

// endpoints has the issuer answer badly wherever it is asked during a sign-in.
func (w *assault) endpoints(t *testing.T) {
	evil := startWitness(t, nil)
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil))
	g.begin(l.trust(g.origin), "")
	signsIn := func(res *http.Response) bool { return strings.Contains(fmt.Sprint(res.Cookies()), "fastproxy_session") }
	for name, answer := range badAnswers(fmt.Sprint("http://127.0.0.1:", evil.port)) {
		b := g.guest()
		at := l.callback(b)
		l.lieAt("/oauth/token", answer)
		began := time.Now()
		res, page := b.open(at)
		l.lieAt("/oauth/token", nil)
		if signsIn(res) || res.StatusCode < 400 {
			t.Errorf("the token endpoint says %s: signing in ends with %s", name, res.Status)
		}
		harmless(t, "the token endpoint says "+name, name, res, page)
		if strings.Contains(page, "secret words") || strings.Contains(page, "too_many") {
			t.Errorf("the token endpoint says %s: the page repeats it", name)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("the token endpoint says %s: it takes %v", name, d)
		}

		// Userinfo completes what is known; without it somebody is in all the same.
		l.lie(func(c map[string]any) string { return good(changed(c, map[string]any{"email": nil})) })
		b = g.guest()
		at = l.callback(b)
		l.lieAt("/userinfo", answer)
		res, page = b.open(at)
		l.lieAt("/userinfo", nil)
		l.lie(nil)
		if !signsIn(res) || res.StatusCode != http.StatusSeeOther {
			t.Errorf("userinfo says %s: signing in ends with %s\n%.300s", name, res.Status, page)
		}
	}
	// Userinfo of somebody else, or with claims of its own about who it is.
	for name, body := range map[string]string{
		"somebody else": `{"sub":"auth0|admin","email":"evil@example.org","email_verified":true}`, "nobody": `{"email":"evil@example.org","email_verified":true}`,
		"two": `{"sub":"auth0|kim","sub":"auth0|admin","email":"evil@example.org"}`, "SUB": `{"sub":"auth0|kim","SUB":"auth0|admin","email":"evil@example.org"}`, "a list": `{"sub":["auth0|kim"],"email":"evil@example.org"}`,
	} {
		l.lie(func(c map[string]any) string { return good(changed(c, map[string]any{"email": nil})) })
		l.lieAt("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, body)
		})
		b := g.guest()
		b.open(l.callback(b))
		b.open("/reports/")
		if h := fmt.Sprint(g.shiny.header()); strings.Contains(h, "evil") || strings.Contains(h, "admin") || !strings.Contains(h, kimSub) {
			t.Errorf("userinfo of %s: Shiny is told %s", name, h)
		}
		l.lieAt("/userinfo", nil)
		l.lie(nil)
	}
	if saw := evil.take(); len(saw) > 0 {
		t.Errorf("another server was asked %q", saw)
	}
	w.discoveries(t)
}

// discoveries has the issuer describe itself badly from the start: nobody is
// sent anywhere, and it is not ready.
func (w *assault) discoveries(t *testing.T) {
	evil := startWitness(t, nil)
	elsewhere := fmt.Sprint("http://127.0.0.1:", evil.port)
	describe := func(l *liar, change map[string]any) http.HandlerFunc {
		d := map[string]any{"issuer": l.Issuer, "authorization_endpoint": l.Issuer + "authorize", "token_endpoint": l.Issuer + "oauth/token", "userinfo_endpoint": l.Issuer + "userinfo",
			"jwks_uri": l.Issuer + keysPath[1:], "token_endpoint_auth_methods_supported": []string{"client_secret_post"}}
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text(changed(d, change))) }
	}
	bad := map[string]func(l *liar) http.HandlerFunc{
		"another issuer": func(l *liar) http.HandlerFunc { return describe(l, map[string]any{"issuer": "https://evil.example/"}) },
		"no slash": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"issuer": strings.TrimSuffix(l.Issuer, "/")})
		},
		"plain http elsewhere": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"token_endpoint": "http://evil.example/token"})
		},
		"keys by plain http": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"jwks_uri": "http://evil.example/keys"})
		},
		"keys in a file": func(l *liar) http.HandlerFunc { return describe(l, map[string]any{"jwks_uri": "file:///etc/passwd"}) },
		"a script to go to": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"authorization_endpoint": "javascript:alert(1)"})
		},
		"nowhere to go to": func(l *liar) http.HandlerFunc { return describe(l, map[string]any{"authorization_endpoint": ""}) },
		"no keys":          func(l *liar) http.HandlerFunc { return describe(l, map[string]any{"jwks_uri": nil}) },
		"no algorithm": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"id_token_signing_alg_values_supported": []string{"none", "HS256"}})
		},
		"a name in the URL": func(l *liar) http.HandlerFunc {
			return describe(l, map[string]any{"token_endpoint": "http://user:word@127.0.0.1/token"})
		},
	}
	for name, answer := range badAnswers(elsewhere) {
		bad[name] = func(*liar) http.HandlerFunc { return answer }
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, 6)
	for name, answer := range bad {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) {
				g := newSiege(t, w.shipped())
				l := startPocketLiar(t, g.origin)
				l.lieAt("/.well-known/openid-configuration", answer(l))
				g.prepare(l.trust(g.origin), "")
				g.run(t)
				eventually(t, "fastproxy to say that it is not ready", func() error { return answers(g.ops+"/readyz", 503) })
				res, page := g.guest().open("/reports/")
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Location") != "" || res.Header.Get("Retry-After") == "" {
					t.Errorf("a page is answered %s, to %q, want 503", res.Status, res.Header.Get("Location"))
				}
				harmless(t, name, name, res, page)
				if l.count("/authorize")+l.count("/oauth/token") > 0 {
					t.Error("it was asked for more")
				}
			})
		})
	}
	all.Wait()
	if saw := evil.take(); len(saw) > 0 {
		t.Errorf("another server was asked %q", saw)
	}
}
