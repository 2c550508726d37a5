//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// foreignForm is one way in which a form's POST is not one that our own page
// sent because somebody clicked. It starts from a good one.
type foreignForm struct {
	name   string
	change func(p *posted)
}

// posted is a POST of one of our forms.
type posted struct {
	method, path string
	header       http.Header
	fields       url.Values
	query        url.Values
	cookies      map[string]string // ours, by name
	other        map[string]string // another browser's
	otherToken   string
}

const formCookie = "fastproxy_form"

func foreignForms(origin string) (all []foreignForm) {
	add := func(name string, change func(p *posted)) { all = append(all, foreignForm{name, change}) }
	set := func(header, value string) func(p *posted) {
		return func(p *posted) { p.header = with(p.header, header, value) }
	}
	add("no token", func(p *posted) { p.fields.Del("token") })
	add("an empty token", func(p *posted) { p.fields.Set("token", "") })
	add("another browser's token", func(p *posted) { p.fields.Set("token", p.otherToken) })
	add("a token with a byte more", func(p *posted) { p.fields.Set("token", p.fields.Get("token")+"A") })
	add("a token with a byte less", func(p *posted) { p.fields.Set("token", p.fields.Get("token")[1:]) })
	add("the token in the query", func(p *posted) { p.query.Set("token", p.fields.Get("token")); p.fields.Del("token") })
	add("the token in a header", func(p *posted) {
		p.header = with(p.header, "X-Csrf-Token", p.fields.Get("token"))
		p.fields.Del("token")
	})
	add("the token behind a wrong one", func(p *posted) { p.fields["token"] = []string{"wrong", p.fields.Get("token")} })
	add("the token under another name", func(p *posted) { p.fields["Token"] = p.fields["token"]; p.fields.Del("token") })
	add("the cookie's value for a token", func(p *posted) { p.fields.Set("token", p.cookies[formCookie]) })
	add("no cookie", func(p *posted) { delete(p.cookies, formCookie) })
	add("another browser's cookie", func(p *posted) { p.cookies[formCookie] = p.other[formCookie] })
	add("the cookie twice", func(p *posted) { p.cookies[formCookie] += "; " + formCookie + "=" + p.other[formCookie] })
	add("the cookie twice, the other's first", func(p *posted) {
		p.cookies[formCookie] = p.other[formCookie] + "; " + formCookie + "=" + p.cookies[formCookie]
	})
	add("the cookie under a look-alike name", func(p *posted) { p.cookies["Fastproxy_Form"] = p.cookies[formCookie]; delete(p.cookies, formCookie) })
	add("the cookie with a prefix", func(p *posted) {
		p.cookies["__Host-"+formCookie] = p.cookies[formCookie]
		delete(p.cookies, formCookie)
	})
	add("the cookie in quotes", func(p *posted) { p.cookies[formCookie] = `"` + p.cookies[formCookie] + `"` })
	add("the session's cookie for the form's", func(p *posted) { p.cookies[formCookie] = p.cookies["fastproxy_session"] })
	for _, site := range []string{"cross-site", "same-site", "none", "", " ", "same-origin, cross-site", "x"} {
		if site == "" {
			continue
		}
		add("Sec-Fetch-Site "+site, set("Sec-Fetch-Site", site))
	}
	for _, mode := range []string{"cors", "no-cors", "same-origin", "websocket", "x"} {
		add("Sec-Fetch-Mode "+mode+", as a script's fetch has", set("Sec-Fetch-Mode", mode))
	}
	for _, o := range foreignOrigins(origin) {
		add("Origin "+o, set("Origin", o))
	}
	for _, ct := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json", "", "application/x-www-form-urlencoded, text/plain", "text/plain; application/x-www-form-urlencoded",
		"application/x-www-form-urlencodedx", "APPLICATION/JSON"} {
		add("Content-Type "+ct, set("Content-Type", ct))
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		add("method "+method, func(p *posted) { p.method = method; p.query = p.fields })
	}
	add("GET that says it is POST", func(p *posted) {
		p.method, p.query = "GET", p.fields
		p.header = with(p.header, "X-Http-Method-Override", "POST", "X-Method-Override", "POST", "Sec-Fetch-Site", "cross-site")
	})
	return all
}

// foreignOrigins are not ours, however much they look so.
func foreignOrigins(origin string) []string {
	_, host, _ := strings.Cut(origin, "://")
	bare, port, _ := strings.Cut(host, ":")
	other := "https://" + host
	if other == origin {
		other = "http://" + host
	}
	return []string{
		"http://evil.example", "https://evil.example", "null", other, "http://" + bare, "http://" + bare + ":1", "http://127.0.0.1:" + port, "http://[::1]:" + port,
		origin + ".evil.example", origin + "@evil.example", "http://evil.example#" + host, "http://evil.example/" + host, origin + "/", origin + "/reports/", "http://" + bare + ".:" + port,
		"http://evil." + host, "http://x" + host, "file://", "chrome-extension://x", "ws://" + host, "http:" + host, host, "*", origin + " http://evil.example", origin + ",http://evil.example", "http://evil.example " + origin,
		origin + "\x7f", "http://loc\u00e4lhost:" + port,
	}
}

// send posts and reports the answer.
func (p *posted) send(g *siege) *http.Response {
	g.t.Helper()
	var cookies []string
	for name, value := range p.cookies {
		cookies = append(cookies, name+"="+value)
	}
	b := newGuest(g.t, g.origin)
	path := p.path
	if len(p.query) > 0 {
		path += "?" + p.query.Encode()
	}
	body := p.fields.Encode()
	if p.method == "GET" || p.method == "HEAD" {
		body = ""
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nCookie: %s\r\nContent-Length: %d\r\n", p.method, path, g.host(), strings.Join(cookies, "; "), len(body))
	for name, values := range p.header {
		for _, v := range values {
			fmt.Fprintf(&lines, "%s: %s\r\n", name, v)
		}
	}
	res, _ := g.raw(lines.String() + "\r\n" + body)
	if res == nil {
		b.t.Fatalf("%s %s: no answer", p.method, path)
	}
	return res
}

// jarOf is the cookies of a browser, by name.
func jarOf(b *guest) map[string]string {
	all := map[string]string{}
	for _, c := range b.Jar.Cookies(mustParse(b.origin)) {
		all[c.Name] = c.Value
	}
	return all
}

// forms sends our two forms in every way in which nobody clicked on them: the
// password form would sign somebody in as the attacker, the other one out.
func (w *assault) forms(t *testing.T) {
	g := besiege(t, w.bin, nil, "")
	other := g.guest()
	otherToken := other.form()
	start := func(signedIn bool) *posted {
		b := g.guest()
		if signedIn {
			b = g.signedIn("kim", kimPassword)
		}
		token := b.form()
		return &posted{method: "POST", path: "/.fastproxy/password", header: with(ownPost, "Origin", g.origin), query: url.Values{},
			fields:  url.Values{"token": {token}, "user": {"sam"}, "password": {samPassword}, "return_to": {"/reports/"}},
			cookies: jarOf(b), other: jarOf(other), otherToken: otherToken}
	}
	forms := foreignForms(g.origin)
	t.Logf("%d ways", len(forms))
	for _, f := range forms {
		p := start(false)
		f.change(p)
		res := p.send(g)
		for _, c := range res.Cookies() {
			if strings.Contains(c.Name, "session") {
				t.Errorf("password form, %s: signs in (%s)", f.name, res.Status)
			}
		}
		if res.StatusCode < 400 && res.StatusCode != 200 && res.StatusCode != 302 {
			t.Errorf("password form, %s: answered %s", f.name, res.Status)
		}

		p = start(true)
		p.path = "/logout"
		f.change(p)
		if p.method == "GET" && p.header.Get("Sec-Fetch-Site") == "same-origin" {
			continue // a click on a link of ours, which does sign out
		}
		before := p.cookies["fastproxy_session"]
		res = p.send(g)
		if who := g.who("fastproxy_session=" + before); who != kimName {
			t.Errorf("sign-out form, %s: ends the session (%s), which is now %q's", f.name, res.Status, who)
		}
	}
	// What is ours does work, or refusing would be no art.
	for name, change := range map[string]func(p *posted){
		"as Chromium sends it": func(p *posted) {},
		"with its charset": func(p *posted) {
			p.header = with(p.header, "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		},
		"with our Origin": func(p *posted) { p.header = with(p.header, "Origin", g.origin) },
		"without Origin":  func(p *posted) { p.header = with(p.header, "Origin", "") },
		"from a browser that says no more": func(p *posted) {
			p.header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"text/html"}}
		},
	} {
		p := start(false)
		change(p)
		if res := p.send(g); res.StatusCode != http.StatusSeeOther || !strings.Contains(fmt.Sprint(res.Cookies()), "fastproxy_session") {
			t.Errorf("password form, %s: %s", name, res.Status)
		}
		p = start(true)
		p.path = "/logout"
		change(p)
		before := p.cookies["fastproxy_session"]
		p.send(g)
		if who := g.who("fastproxy_session=" + before); who != "" {
			t.Errorf("sign-out form, %s: the session is still %q's", name, who)
		}
	}
}

// who asks whose session these Cookie lines are.
func (g *siege) who(cookies ...string) string {
	g.t.Helper()
	request := "GET /.fastproxy/session HTTP/1.1\r\nHost: " + g.host() + "\r\nAccept: application/json\r\nConnection: close\r\n"
	for _, c := range cookies {
		request += "Cookie: " + c + "\r\n"
	}
	return g.whoBy(request + "\r\n")
}

func (g *siege) whoBy(request string) string {
	g.t.Helper()
	res, body := g.raw(request)
	if res == nil {
		g.t.Fatalf("no answer to %q", request)
	}
	_, rest, found := strings.Cut(body, `"user": "`)
	if !found {
		return ""
	}
	user, _, _ := strings.Cut(rest, `"`)
	return user
}

// logouts asks for /logout as another site's page, a picture, a frame or a
// browser's own guess would: the session goes on.
func (w *assault) logouts(t *testing.T) {
	g := besiege(t, w.bin, nil, "")
	kim := g.signedIn("kim", kimPassword)
	click := with(navigation, "Sec-Fetch-Site", "same-origin")
	for name, header := range map[string]http.Header{
		"a link elsewhere":                    with(navigation, "Sec-Fetch-Site", "cross-site"),
		"a link on a sibling":                 with(navigation, "Sec-Fetch-Site", "same-site"),
		"a frame elsewhere":                   with(navigation, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"),
		"a frame of ours":                     with(click, "Sec-Fetch-Dest", "iframe"),
		"an object of ours":                   with(click, "Sec-Fetch-Dest", "object"),
		"a picture":                           with(click, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"),
		"a script":                            with(click, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"),
		"a fetch":                             with(click, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"),
		"a same-origin fetch":                 with(click, "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty"),
		"a worker":                            with(click, "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "serviceworker"),
		"a prefetch":                          with(click, "Sec-Purpose", "prefetch"),
		"a prerender":                         with(click, "Sec-Purpose", "prefetch;prerender"),
		"a prerender, anonymous":              with(click, "Sec-Purpose", "prefetch;anonymous-client-ip"),
		"the address bar's own guess":         with(navigation, "Sec-Purpose", "prefetch;prerender"),
		"an older prefetch":                   with(click, "Purpose", "prefetch"),
		"an older preview":                    with(click, "X-Purpose", "preview"),
		"an older prefetch, Firefox":          with(click, "X-Moz", "prefetch"),
		"nothing said at all":                 {"Accept": {"text/html"}},
		"no Sec-Fetch, Referer elsewhere":     {"Accept": {"text/html"}, "Referer": {"http://evil.example/"}},
		"no Sec-Fetch, Referer like ours":     {"Accept": {"text/html"}, "Referer": {g.origin + ".evil.example/"}},
		"no Sec-Fetch, Referer with us in it": {"Accept": {"text/html"}, "Referer": {"http://evil.example/?" + g.origin + "/"}},
		"no Sec-Fetch, Referer of a user":     {"Accept": {"text/html"}, "Referer": {g.origin + "@evil.example/"}},
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			res, _ := kim.ask(method, "/logout?returnTo=http://evil.example", header, "")
			if who := g.who(kim.cookies()); who != kimName {
				t.Fatalf("%s /logout, %s: answered %s, and the session is %q's", method, name, res.Status, who)
			}
		}
	}
	// A click of ours, or an address typed, does end it.
	for name, header := range map[string]http.Header{
		"a click": click, "typed": navigation, "a click, no Sec-Fetch": {"Accept": {"text/html"}, "Referer": {g.origin + "/reports/"}},
	} {
		b := g.signedIn("kim", kimPassword)
		copied := b.cookies()
		b.ask("GET", "/logout", header, "")
		if who := g.who(copied); who != "" {
			t.Errorf("/logout, %s: the session is still %q's", name, who)
		}
	}
}

// callbacks plays an issuer's answer to one browser into another.
func (w *assault) callbacks(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	g.begin(l.trust(g.origin), "")
	signsIn := func(res *http.Response) bool { return strings.Contains(fmt.Sprint(res.Cookies()), "fastproxy_session") }
	query := func(address, name string) string { return mustParse(address).Query().Get(name) }

	attacker, victim := g.guest(), g.guest()
	theirs := l.callback(attacker)
	if res, _ := victim.open(theirs); signsIn(res) {
		t.Error("a stranger's callback signs a fresh browser in")
	}
	mine := l.callback(victim) // an attempt of the victim's own, under way
	theirs = l.callback(attacker)
	if res, _ := victim.open(theirs); signsIn(res) {
		t.Error("a stranger's callback signs in a browser that is signing in")
	}
	mixed := g.origin + "/callback?code=" + url.QueryEscape(query(theirs, "code")) + "&state=" + url.QueryEscape(query(mine, "state"))
	if res, _ := victim.open(mixed); signsIn(res) {
		t.Error("a stranger's code in the victim's attempt signs in")
	}
	victim = g.guest()
	mine = l.callback(victim)
	for name, address := range map[string]string{
		"the state twice":                   mine + "&state=" + url.QueryEscape(query(theirs, "state")),
		"no code":                           g.origin + "/callback?state=" + url.QueryEscape(query(mine, "state")),
		"a cut state":                       g.origin + "/callback?code=" + url.QueryEscape(query(mine, "code")) + "&state=" + url.QueryEscape(query(mine, "state")[:12]),
		"a longer state":                    mine + "x",
		"another state, the same beginning": g.origin + "/callback?code=" + url.QueryEscape(query(mine, "code")) + "&state=" + url.QueryEscape(query(mine, "state")[:12]+"xxxxxxxxxxxx"),
	} {
		b := g.guest()
		b.Jar.SetCookies(mustParse(g.origin), victim.Jar.Cookies(mustParse(g.origin)))
		if res, _ := b.open(address); signsIn(res) && name != "the state twice" {
			t.Errorf("%s: signs in", name)
		}
	}
	b := g.guest()
	b.Jar.SetCookies(mustParse(g.origin), victim.Jar.Cookies(mustParse(g.origin)))
	if res, _ := b.ask("POST", "/callback", with(ownPost, "Sec-Fetch-Site", "cross-site"), mustParse(mine).RawQuery); res.StatusCode != http.StatusMethodNotAllowed || signsIn(res) {
		t.Errorf("a POST to the callback gets %s, want 405", res.Status)
	}
	victim = g.guest()
	mine = l.callback(victim)
	if res, _ := victim.open(mine); !signsIn(res) {
		t.Errorf("the victim's own callback ends with %s", res.Status)
	}
	if res, _ := victim.open(mine); signsIn(res) {
		t.Error("the same callback signs in again")
	}
	if res, _ := g.guest().open(mine); signsIn(res) {
		t.Error("the victim's callback, from a log or a history, signs a stranger in")
	}
	before := g.who(victim.cookies())
	if victim.open(theirs); before == "" || g.who(victim.cookies()) != before {
		t.Errorf("a stranger's callback makes %q of %q", g.who(victim.cookies()), before)
	}
}
