//go:build linux

package fastproxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
)

// theatre is a fastproxy with a hostile app under /reports/hostile/, another
// site that means ill, and a real Chromium in between.
type theatre struct {
	*siege
	browser *browser
	evil    string // the other site's origin
	site    *witness
}

// theatre opens one. Under "localhost" everything is as on https: Sec-Fetch
// fields, service workers, openers, and the other site is no sibling. Under a
// domain, by plain http, it is one: cookies go along with what it asks for, and
// Chromium says less.
func (w *assault) theatre(t *testing.T, siblings bool, s settings, yaml string) *theatre {
	t.Helper()
	th := &theatre{siege: newSiege(t, w.bin), browser: w.chromium(), site: startWitness(t, evilPage)}
	th.evil = fmt.Sprint("http://evil.localhost:", th.site.port)
	if siblings {
		_, port, _ := strings.Cut(th.listen, ":")
		th.origin, th.evil = "http://front.attack.test:"+port, fmt.Sprint("http://evil.attack.test:", th.site.port)
	}
	th.shiny.answer = hostileApp
	th.begin(s, strings.ReplaceAll(yaml, "{shiny}", fmt.Sprint(th.siege.shiny.port)))
	return th
}

// cookies is what Chromium would send from this tab.
func (th *theatre) cookies(p *tab) string {
	host, _, _ := strings.Cut(th.host(), ":")
	var pairs []string
	for _, c := range p.cookies() {
		if c.Domain == host || strings.HasPrefix(c.Domain, ".") && strings.HasSuffix(host, c.Domain) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// chromium is one for all attacks.
func (w *assault) chromium() *browser {
	w.screen.Do(func() { w.tabs = startBrowser(w.t) })
	return w.tabs
}

func evilPage(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/html")
	fmt.Fprint(rw, "<!doctype html><title>evil</title>")
	if r.URL.Path != "/shown" { // then its Origin is null
		fmt.Fprint(rw, `<meta name="referrer" content="no-referrer">`)
	}
	fmt.Fprint(rw, "<body>evil")
}

// hostileApp is a Shiny app by somebody who may publish one, and no more.
func hostileApp(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		if c, err := up.Upgrade(rw, r, nil); err == nil {
			defer c.Close()
			c.WriteMessage(websocket.TextMessage, []byte("an R session"))
			c.ReadMessage()
		}
	case strings.HasSuffix(r.URL.Path, ".js"):
		rw.Header().Set("Content-Type", "text/javascript")
		rw.Header().Set("Service-Worker-Allowed", "/")
		io.WriteString(rw, `self.addEventListener("fetch", e => e.respondWith(new Response("the worker's", {headers: {"Content-Type": "text/html"}}))); self.addEventListener("activate", e => e.waitUntil(clients.claim()));`)
	default:
		if strings.Contains(r.URL.Path, "__sockjs__") { // where Shiny Server does so
			rw.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			rw.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		rw.Header().Set("Content-Type", "text/html")
		for _, l := range strings.Split(r.URL.Query().Get("says"), "\n") { // whatever its author likes
			if name, value, ok := strings.Cut(l, ": "); ok {
				rw.Header().Add(name, value)
			}
		}
		for _, c := range []string{"fastproxy_session=planted; Path=/", "fastproxy_form=planted; Path=/", "=fastproxy_session=planted; Path=/", "__Host-fastproxy_session=planted; Path=/; Secure"} {
			rw.Header().Add("Set-Cookie", c)
		}
		io.WriteString(rw, `<!doctype html><title>app</title><body>an app's page`)
	}
}

// signedIn is a tab of kim's, signed in by the form, showing the hostile app.
func (th *theatre) signedIn(t *testing.T) *tab {
	t.Helper()
	kim := th.browser.open(t, "kim")
	kim.visit(th.origin + "/reports/hostile/")
	fillPassword(kim, "kim", kimPassword)
	kim.await("body", "an app's page")
	return kim
}

// tries runs a script in a tab and gives what it found, by name.
func tries(t *testing.T, p *tab, front, script string) map[string]string {
	t.Helper()
	text := `(async () => { const out = {}, front = ` + quoted(front) + `;
const settled = (name, what) => Promise.race([what, new Promise(r => setTimeout(() => r("nothing happened"), 3000))]).then(v => { out[name] = String(v); }, e => { out[name] = "blocked: " + e.name; });
const ask = (name, path, options = {}) => settled(name, fetch(front + path, { credentials: "include", ...options }).then(async r => "read " + r.status + " " + (await r.text()).slice(0, 4000)));
const socket = (name, path) => settled(name, new Promise(r => { const w = new WebSocket(front.replace("http", "ws") + path); w.onmessage = e => { r("open " + e.data); w.close(); }; w.onerror = () => r("blocked"); }));
const source = (name, path) => settled(name, new Promise(r => { const s = new EventSource(front + path, { withCredentials: true }); s.onopen = () => r("open"); s.onerror = () => { r("blocked"); s.close(); }; }));
const element = (name, tag, path, more = {}) => settled(name, new Promise(r => { const e = Object.assign(document.createElement(tag), more); e.onload = () => r("loaded"); e.onerror = () => r("blocked"); e.src = front + path; document.body.append(e); }));
const form = (name, path, fields, more = {}) => settled(name, new Promise(r => { const f = document.createElement("iframe"); f.name = "f" + name.replace(/\W/g, ""); document.body.append(f); const e = Object.assign(document.createElement("form"), { method: "post", action: front + path, target: f.name, ...more }); for (const [k, v] of Object.entries(fields)) e.append(Object.assign(document.createElement("input"), { name: k, value: v })); document.body.append(e); f.onload = () => r("sent"); e.submit(); }));
` + script + `
return JSON.stringify(out); })()`
	var found map[string]string
	if err := json.Unmarshal([]byte(p.say("eval", args{"text": text})), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// stays checks that kim's browser is still kim's, and open apps are open.
func (th *theatre) stays(t *testing.T, kim *tab, after string) {
	t.Helper()
	if who := th.who(th.cookies(kim)); who != kimName {
		t.Errorf("after %s the browser is %q's, want %q", after, who, kimName)
	}
}

// pagesOfOurs may be shown in no frame.
var pagesOfOurs = []string{"/login", "/login?prompt=login", "/logout", "/callback", "/callback?error=x&state=y", "/.fastproxy/session", "/.fastproxy/nothing", "/nothing", "/admin/"}

// framesOf puts pages of ours into frames and looks at what they show. In a
// tab that somebody is signed in with, none shows anything of ours.
func framesOf(t *testing.T, p *tab, front string) {
	t.Helper()
	for _, tag := range []string{"iframe", "embed", "object"} {
		script := `document.body.innerHTML = "";`
		for _, path := range pagesOfOurs {
			script += fmt.Sprintf(`{ const e = document.createElement(%q); e[%q] = %q; document.body.append(e); }`, tag, map[string]string{"iframe": "src", "embed": "src", "object": "data"}[tag], front+path)
		}
		tries(t, p, front, script+`await new Promise(r => setTimeout(r, 1500));`)
		var frames []struct{ URL, Text string }
		p.ask("frames", nil, &frames)
		for _, f := range frames[1:] {
			if strings.HasPrefix(f.URL, front) && f.Text != "" && !strings.HasPrefix(f.Text, "Sign in to see this app") && !strings.HasPrefix(f.Text, "Sign in in the whole window") {
				t.Errorf("%s: %s shows %.80q", tag, f.URL, f.Text)
			}
		}
		if len(frames) == 1 && tag == "iframe" {
			t.Errorf("%s: no frames, so this shows nothing", tag)
		}
	}
}

func (w *assault) otherSite(t *testing.T)   { w.otherPage(t, w.theatre(t, false, nil, "")) }
func (w *assault) siblingSite(t *testing.T) { w.otherPage(t, w.theatre(t, true, nil, "")) }

// otherPage does from another site, with kim signed in, whatever a page can.
func (w *assault) otherPage(t *testing.T, th *theatre) {
	kim := th.signedIn(t)
	stranger := th.guest()
	token := stranger.form()
	trap := th.browser.open(t, "kim")
	trap.visit(th.evil + "/")
	th.shiny.take()

	script := `
await Promise.all([socket("plain websocket", "/reports/websocket/"), socket("websocket anywhere", "/reports/hostile/"), socket("sockjs websocket", "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/websocket"), socket("raw websocket", "/reports/hostile/__sockjs__/websocket"),
source("eventsource", "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/eventsource"),
ask("info", "/reports/hostile/__sockjs__/info"), ask("page", "/reports/hostile/"), ask("session", "/.fastproxy/session"), ask("session as JSON", "/.fastproxy/session", { headers: { Accept: "application/json" } }), ask("login", "/login"), ask("logout", "/logout"),
...["xhr", "xhr_streaming", "xhr_send", "jsonp_send"].map(x => ask(x, "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/" + x, { method: "POST", body: "[]" })),
ask("xhr_send as JSON", "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/xhr_send", { method: "POST", body: "[]", headers: { "Content-Type": "application/json" } }),
element("jsonp", "script", "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/jsonp?c=alert"), element("session as a script", "script", "/.fastproxy/session"), element("logout as a picture", "img", "/logout"), element("logout as a script", "script", "/logout"),
element("logout in a frame", "iframe", "/logout"), element("htmlfile in a frame", "iframe", "/reports/hostile/__sockjs__/n=aaaa/000/abcdefgh/htmlfile?c=x"),
ask("logout by fetch", "/logout", { method: "POST", mode: "no-cors", body: new URLSearchParams({ token: ` + quoted(token) + ` }) }),
ask("password by fetch", "/.fastproxy/password", { method: "POST", mode: "no-cors", body: new URLSearchParams({ token: ` + quoted(token) + `, user: "sam", password: ` + quoted(samPassword) + ` }) }),
form("logout by a form", "/logout", { token: ` + quoted(token) + ` }), form("logout by a bare form", "/logout", {}), form("logout by a GET form", "/logout", {}, { method: "get" }),
form("password by a form", "/.fastproxy/password", { token: ` + quoted(token) + `, user: "sam", password: ` + quoted(samPassword) + ` }),
form("password by a form of text", "/.fastproxy/password", { token: ` + quoted(token) + `, user: "sam", password: ` + quoted(samPassword) + ` }, { enctype: "text/plain" }),
form("an app's own form", "/reports/hostile/act", { x: "y" })]);
for (const rel of ["prefetch", "preload", "prerender", "stylesheet", "modulepreload"]) document.head.append(Object.assign(document.createElement("link"), { rel, href: front + "/logout", as: "fetch", crossOrigin: "use-credentials" }));
document.body.insertAdjacentHTML("beforeend", '<object data="' + front + '/logout"></object><embed src="' + front + '/logout"><video src="' + front + '/logout"></video><audio src="' + front + '/logout"></audio>');
await new Promise(r => setTimeout(r, 700));`
	found := tries(t, trap, th.origin, script)
	for name, what := range found {
		switch {
		case strings.HasPrefix(what, "open"), strings.HasPrefix(what, "read 2") && !strings.HasPrefix(what, "read 200 {\n  \"signed_in\": false"):
			t.Errorf("another site's %s: %s", name, what)
		}
	}
	if len(found) < 25 {
		t.Errorf("only %d tries came to an end: %v", len(found), found)
	}
	for _, saw := range th.shiny.take() {
		if strings.Contains(saw, "__sockjs__") || strings.Contains(saw, "websocket") || strings.HasPrefix(saw, "POST") {
			t.Errorf("of another site's page Shiny saw %s", saw)
		}
	}
	th.stays(t, kim, "another site's page")

	framesOf(t, trap, th.origin)
	// Whole windows: a link, a form, a window it opens.
	for name, script := range map[string]string{
		"a link to /logout":           `location.href = front + "/logout"; await new Promise(() => {});`,
		"a form to /logout":           `const f = Object.assign(document.createElement("form"), { method: "post", action: front + "/logout" }); f.innerHTML = "<input name=token value=x>"; document.body.append(f); f.submit(); await new Promise(() => {});`,
		"a form to the password page": `const f = Object.assign(document.createElement("form"), { method: "post", action: front + "/.fastproxy/password" }); f.innerHTML = "<input name=token value=` + token + `><input name=user value=sam><input name=password value='` + samPassword + `'>"; document.body.append(f); f.submit(); await new Promise(() => {});`,
		"a refresh to /logout":        `document.head.insertAdjacentHTML("beforeend", "<meta http-equiv=refresh content='0;url=" + front + "/logout'>"); await new Promise(() => {});`,
	} {
		p := th.browser.open(t, "kim")
		p.visit(th.evil + "/")
		p.b.ask("eval", args{"page": p.name, "text": `void (async () => { const front = ` + quoted(th.origin) + `; ` + script + ` })()`})
		p.arrive(th.origin)
		th.stays(t, kim, name)
	}
	p := th.browser.open(t, "kim")
	p.visit(th.evil + "/")
	found = tries(t, p, th.origin, `const w = open(front + "/.fastproxy/session"); await new Promise(r => setTimeout(r, 1500)); await settled("a window", (async () => w.closed ? "parted" : w.document.body.innerText)());`)
	if what := found["a window"]; what != "parted" && !strings.HasPrefix(what, "blocked") {
		t.Errorf("another site reads a window of ours: %.60q", what)
	}
}
