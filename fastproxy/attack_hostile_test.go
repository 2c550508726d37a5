//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// hostile does from an app of this very origin whatever its page can: it
// learns who is there, and changes nothing.
func (w *assault) hostile(t *testing.T) {
	th := w.theatre(t, false, nil, "")
	kim := th.signedIn(t)
	sam := th.siege.signedIn("sam", samPassword)
	sams := jarOf(sam)["fastproxy_session"]
	before := th.cookies(kim)

	found := tries(t, kim, th.origin, `
await Promise.all([ask("session", "/.fastproxy/session", { headers: { Accept: "application/json" } }), ask("own socket", "/reports/hostile/"), socket("socket", "/reports/hostile/websocket/"),
ask("login", "/login"), ask("login as a page", "/login", { headers: { Accept: "text/html" } }), ask("logout", "/logout", { headers: { Accept: "text/html" } }), ask("logout by POST", "/logout", { method: "POST" }),
ask("password", "/.fastproxy/password", { method: "POST", headers: { Accept: "text/html" }, body: new URLSearchParams({ user: "sam", password: `+quoted(samPassword)+` }) }),
ask("something of ours", "/.fastproxy/x"), ask("something of ours by POST", "/.fastproxy/session", { method: "POST", body: "x" }), ask("by DELETE", "/.fastproxy/session", { method: "DELETE" }), ask("by PUT", "/.fastproxy/password", { method: "PUT" }),
ask("admin", "/admin/"),
settled("every cookie", (async () => document.cookie)()),
settled("a worker for all", navigator.serviceWorker.register("/reports/hostile/sw.js", { scope: "/" }).then(() => "registered")),
settled("a worker for ours", navigator.serviceWorker.register("/reports/hostile/sw.js", { scope: "/.fastproxy/" }).then(() => "registered")),
settled("a worker for the neighbours", navigator.serviceWorker.register("/reports/hostile/sw.js", { scope: "/reports/" }).then(() => "registered")),
settled("a worker by a detour", navigator.serviceWorker.register("/reports/hostile/..%2fsw.js", { scope: "/reports/" }).then(() => "registered")),
settled("a worker of ours", navigator.serviceWorker.register("/.fastproxy/session", { scope: "/.fastproxy/" }).then(() => "registered")),
settled("a worker at login", navigator.serviceWorker.register("/login/../reports/hostile/sw.js", { scope: "/login" }).then(() => "registered"))]);
const w = open("/login"); await new Promise(r => setTimeout(r, 1500)); await settled("a window of ours", (async () => w.closed ? "parted" : "read " + w.document.body.innerHTML)());
const v = open("/.fastproxy/session"); await new Promise(r => setTimeout(r, 1000)); await settled("another window of ours", (async () => v.closed ? "parted" : "read " + v.document.body.innerHTML)());
`)
	// Who parts its own windows in the same way is not parted by that.
	for _, says := range []string{"Cross-Origin-Opener-Policy: same-origin", "cross-origin-opener-policy: same-origin; report-to=\"x\"\nCross-Origin-Embedder-Policy: none",
		"Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp; x y", "Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp",
		"Cross-Origin-Opener-Policy: same-origin-allow-popups", "Cross-Origin-Opener-Policy: unsafe-none"} {
		p := th.browser.open(t, "kim")
		p.visit(th.origin + "/reports/hostile/?says=" + url.QueryEscape(says))
		for path, got := range tries(t, p, th.origin, `const all = ["/login", "/.fastproxy/session"].map(p => [p, open(p)]); await new Promise(r => setTimeout(r, 1500)); for (const [p, w] of all) await settled(p, (async () => !w || w.closed ? "parted" : "read " + w.document.body.innerHTML)());`) {
			if got != "parted" {
				t.Errorf("with %s a window of %s: found %.100q", says, path, got)
			}
		}
	}
	th.stays(t, kim, "an app's windows")
	for name, want := range map[string]string{
		"session": `"user": "passwd:kim"`, "own socket": "an app's page", "socket": "open an R session", // what is an app's is an app's
		"login": "read 401", "login as a page": "read 401", "logout": "read 403", "logout by POST": "read 403", "password": "read 403",
		"something of ours": "read 404", "something of ours by POST": "read 405", "by DELETE": "read 405", "by PUT": "read 405", "admin": "read 403",
		"every cookie": "", "a worker for all": "blocked: SecurityError", "a worker for ours": "blocked: SecurityError", "a worker for the neighbours": "blocked: SecurityError",
		"a worker by a detour": "blocked", "a worker of ours": "blocked", "a worker at login": "blocked",
		"a window of ours": "parted", "another window of ours": "parted",
	} {
		if got := found[name]; !strings.Contains(got, want) {
			t.Errorf("%s: found %.200q, want %q", name, got, want)
		}
	}
	for name, got := range found {
		if tokenField.MatchString(got) || strings.Contains(got, "fastproxy_session") || strings.Contains(got, "planted") {
			t.Errorf("%s hands a script %.200q", name, got)
		}
	}
	if now := th.cookies(kim); now != before {
		t.Errorf("the cookies were\n%s\nand are\n%s", before, now)
	}
	th.stays(t, kim, "an app's scripts")
	framesOf(t, kim, th.origin)
	th.stays(t, kim, "an app's frames")

	// Forms that a script sends, in this window and in others; the token is the
	// one thing that it lacks.
	for name, fields := range map[string]string{"/logout": "", "/.fastproxy/password": `<input name=user value=sam><input name=password value="` + samPassword + `">`} {
		p := th.browser.open(t, "kim")
		p.visit(th.origin + "/reports/hostile/")
		p.b.ask("eval", args{"page": p.name, "text": fmt.Sprintf(`void (() => { const f = Object.assign(document.createElement("form"), { method: "post", action: %q }); f.innerHTML = %q; document.body.append(f); f.submit(); })()`, name, fields)})
		p.arrive(name)
		th.stays(t, kim, "an app's form to "+name)
	}

	// Cookies that a script sets: the session's is out of its reach, and beside
	// it another one counts for nothing, least of all for sam.
	for _, c := range []string{
		"fastproxy_session=" + sams, "fastproxy_session=" + sams + "; path=/", "fastproxy_session=; max-age=0; path=/", "fastproxy_session=" + sams + "; path=/; domain=localhost", "=fastproxy_session=" + sams + "; path=/",
		"FASTPROXY_SESSION=" + sams + "; path=/", "fastproxy_session_2=" + sams + "; path=/", "__Host-fastproxy_session=" + sams + "; path=/; secure", "fastproxy_form=x; path=/",
		"fastproxy_session=" + sams + "; path=/reports/", "fastproxy_session=" + sams + "; path=/.fastproxy/", "fastproxy_session=" + sams + "; path=/reports/hostile/",
	} {
		victim := th.browser.open(t, "victim of "+c[:20]+c[max(20, len(c)-20):])
		victim.visit(th.origin + "/reports/hostile/")
		fillPassword(victim, "kim", kimPassword)
		victim.await("body", "an app's page")
		got := tries(t, victim, th.origin, `document.cookie = `+quoted(c)+`; await ask("session", "/.fastproxy/session", { headers: { Accept: "application/json" } });`)["session"]
		if strings.Contains(got, samName) {
			t.Errorf("%.40q…%q: kim's browser is sam's", c, c[max(0, len(c)-20):])
		}
		victim.visit(th.origin + "/reports/hostile/")
		if who := th.shiny.header().Get("X-Auth0-User-Id"); who != "kim" {
			t.Errorf("%.40q: Shiny is told %q", c, who)
		}
	}
	th.shiny.take()

	// A worker for its own path is an app's right; it reaches no further.
	p := th.browser.open(t, "kim")
	p.visit(th.origin + "/reports/hostile/")
	found = tries(t, p, th.origin, `await settled("own worker", navigator.serviceWorker.register("/reports/hostile/sw.js").then(() => navigator.serviceWorker.ready).then(() => "registered")); await new Promise(r => setTimeout(r, 500));`)
	if found["own worker"] != "registered" {
		t.Errorf("a worker for its own path: %q", found["own worker"])
	}
	for path, want := range map[string]string{"/reports/hostile/x": "the worker's", "/reports/other/": "an app's page", "/.fastproxy/session": "kim", "/login": "Sign in", "/nothing": "nothing here"} {
		q := th.browser.open(t, "kim")
		q.visit(th.origin + path)
		if got := q.text("body"); !strings.Contains(got, want) {
			t.Errorf("with the app's worker %s shows %.80q, want %q", path, got, want)
		}
	}
}

// rootApp has the hostile app at "/", beside our own pages: a worker of its own
// would answer for them.
func (w *assault) rootApp(t *testing.T) {
	th := w.theatre(t, false, nil, "mounts:\n  - {path: /, upstream: [\"http://127.0.0.1:{shiny}\"], allow: signed_in}\n")
	kim := th.browser.open(t, "root")
	kim.visit(th.origin + "/x/")
	fillPassword(kim, "kim", kimPassword)
	kim.await("body", "an app's page")
	found := tries(t, kim, th.origin, `
for (const [name, script, scope] of [["all", "/sw.js", "/"], ["login", "/sw.js", "/login"], ["ours", "/sw.js?x", "/.fastproxy/"], ["by a detour", "/x/../sw.js", "/"], ["by another", "/x/..%2fsw.js", "/"], ["its own", "/x/sw.js", "/x/"]])
  await settled(name, navigator.serviceWorker.register(script, { scope }).then(() => "registered"));`)
	for name, got := range found {
		if want := map[bool]string{true: "registered", false: "blocked"}[name == "its own"]; !strings.HasPrefix(got, want) {
			t.Errorf("a worker for %s: %q, want %s", name, got, want)
		}
	}
	if len(found) != 6 {
		t.Errorf("only %v came to an end", found)
	}
	for _, path := range []string{"/login", "/.fastproxy/session", "/callback"} {
		p := th.browser.open(t, "root")
		p.visit(th.origin + path)
		if got := p.text("body"); strings.Contains(got, "the worker's") {
			t.Errorf("%s is the worker's", path)
		}
	}
}
