//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// cookies mixes kim's session with sam's, as a sibling domain, an app or a
// proxy could plant them. Whoever comes out, it is never sam where kim's is
// there, and nobody where it cannot be told.
func (w *assault) cookies(t *testing.T) {
	g := besiege(t, w.bin, nil, "")
	const name = "fastproxy_session"
	form := g.guest()
	form.form()
	kim, sam := jarOf(g.signedIn("kim", kimPassword))[name], jarOf(g.signedIn("sam", samPassword))[name]
	if kim == "" || sam == "" || kim == sam {
		t.Fatalf("sessions %q and %q", kim, sam)
	}
	k, s := name+"="+kim, name+"="+sam
	for _, c := range []struct {
		who     string
		cookies []string
	}{
		{kimName, []string{k}}, {samName, []string{s}},
		// Twice.
		{"", []string{k + "; " + s}}, {"", []string{s + "; " + k}}, {"", []string{k, s}}, {"", []string{s, k}}, {"", []string{k + "; " + k}}, {"", []string{k + "; a=b; " + s}},
		{"", []string{k + "; " + name + "="}}, {"", []string{name + "=; " + k}}, {"", []string{k + ";" + s}}, {"", []string{k + " ;\t" + s}}, {"", []string{k + "; " + name + "=x"}},
		// A browser sends a cookie without a name, which "=" + s sets, as s.
		{"", []string{k + "; " + s + "; "}}, {kimName, []string{k + "; =" + s}},
		// Look-alike names.
		{kimName, []string{k + "; " + strings.ToUpper(name) + "=" + sam}}, {kimName, []string{"Fastproxy_Session=" + sam + "; " + k}}, {"", []string{strings.ToUpper(name) + "=" + sam}},
		{kimName, []string{k + "; " + name + " =" + sam}}, {"", []string{name + " =" + sam}}, {"", []string{`"` + name + `"=` + sam}}, {"", []string{name + ":" + sam}}, {"", []string{name + "%3d" + sam}},
		{"", []string{"fastproxy%5fsession=" + sam}}, {"", []string{"fastproxy-session=" + sam}}, {"", []string{"fastproxy_sessi\u00f6n=" + sam}}, {"", []string{"\ufeff" + s}}, {"", []string{"x" + s}},
		{"", []string{"__Host-" + s}}, {"", []string{"__Secure-" + s}}, {"", []string{"__host-" + s}}, {"", []string{"$" + s}}, {kimName, []string{"$Version=1; " + k + "; $Path=/"}},
		{"", []string{name + "_2=" + sam}}, {kimName, []string{k + "; " + name + "_2=" + sam}}, {kimName, []string{name + "_4=" + sam + "; " + name + "_2=" + sam + "; " + k}}, {"", []string{name + "_1=" + sam}},
		// Other spellings of the value.
		{"", []string{k + ", " + s}}, {"", []string{name + `="` + kim + `"`}}, {"", []string{name + "='" + kim + "'"}}, {"", []string{k + "%20"}}, {"", []string{k + "A"}}, {"", []string{k[:len(k)-1]}},
		{"", []string{name + "=" + kim[1:]}}, {"", []string{name + "=2" + kim[1:]}}, {"", []string{name + "=4" + kim[1:] + "; " + name + "_2=" + sam + "; " + name + "_3=x; " + name + "_4=x"}},
		{"", []string{name + "=" + strings.ToLower(kim)}}, {"", []string{name + "=" + kim + "=" + sam}}, {"", []string{name + "==" + kim}}, {"", []string{name + "=" + kim + "\u00a0"}},
		{"", []string{name + "=" + kim[:len(kim)/2] + sam[len(sam)/2:]}},
		// Other things that we sealed.
		{"", []string{name + "=" + jarOf(form)[formCookie]}}, {"", []string{name + "=1" + jarOf(form)[formCookie]}}, {"", []string{formCookie + "=" + kim}},
		// Much beside it.
		{kimName, []string{strings.Repeat("a=b; ", 2000) + k}}, {kimName, []string{k + "; a=" + strings.Repeat("x", 10<<10)}}, {kimName, []string{";;; ;" + k + ";;;"}}, {kimName, []string{"=; " + k}},
		{kimName, []string{"a", k, "b=c"}}, {kimName, []string{strings.Repeat("fastproxy_state_x=y; ", 300) + k}},
	} {
		if got := g.who(c.cookies...); got != c.who {
			t.Errorf("%.90q: the session is %q's, want %q", c.cookies, got, c.who)
		}
	}
	for i := range kim { // each byte changed
		if i%9 == 0 || i == len(kim)-1 {
			b := []byte(kim)
			if b[i]++; kim[i] != 'A' {
				b[i] = 'A'
			}
			if got := g.who(name + "=" + string(b)); got != "" {
				t.Errorf("with byte %d changed the cookie is %q's", i, got)
			}
		}
	}
	for _, header := range []string{"Cookie2", "X-Cookie", "Set-Cookie", "Cookie_", "X-Fastproxy-Session"} {
		if got := g.whoBy("GET /.fastproxy/session HTTP/1.1\r\nHost: " + g.host() + "\r\nConnection: close\r\n" + header + ": " + k + "\r\n\r\n"); got != "" {
			t.Errorf("by the header %s it is %q's", header, got)
		}
	}
	g.keepsCookies(k)
	g.dropsCookies(k)
}

// keepsCookies looks for cookies of ours in what Shiny is told.
func (g *siege) keepsCookies(good string) {
	g.t.Helper()
	for _, more := range []string{
		"FASTPROXY_SESSION=evil", "fastproxy_session_2=evil", "fastproxy_form=evil", "fastproxy_state_x=evil", "fastproxy_bounce=evil", "fastproxy_anything=evil", "__Host-fastproxy_session=evil",
		"__host-fastproxy_session=evil", "__Secure-fastproxy_session=evil", "__Host-__Secure-fastproxy_session=evil", "=fastproxy_session=evil", " fastproxy_session =evil", "\tfastproxy_session\t=evil",
		"fastproxy_session", "fastproxy_=evil", "=__Host-fastproxy_session=evil",
	} {
		for _, line := range []string{"Cookie: " + more + "; theirs=1; " + good, "Cookie: theirs=1;" + more + "\r\nCookie: " + good, "cookie:" + good + ";" + more + " ; theirs=1", "Cookie: theirs=1; " + good + "; " + more} {
			g.raw("GET /reports/ HTTP/1.1\r\nHost: " + g.host() + "\r\nConnection: close\r\n" + line + "\r\n\r\n")
			h := g.shiny.header()
			if said := fmt.Sprint(h); strings.Contains(strings.ToLower(said), "fastproxy_") || strings.Contains(said, "evil") {
				g.t.Errorf("%q: Shiny is told %v", line, h["Cookie"])
			}
		}
	}
	g.raw("GET /reports/ HTTP/1.1\r\nHost: " + g.host() + "\r\nConnection: close\r\nCookie: a=1; " + good + "; b=\"x y\"\r\n\r\n")
	if got := fmt.Sprint(g.shiny.header()["Cookie"]); got != `[a=1; b="x y"]` {
		g.t.Errorf("of an app's own cookies Shiny is told %s", got)
	}
}

// dropsCookies has an app set cookies with our names.
func (g *siege) dropsCookies(good string) {
	g.t.Helper()
	theirs := []string{
		"fastproxy_session=evil", "fastproxy_session=evil; Path=/", "FASTPROXY_SESSION=evil", " fastproxy_session=evil", "\tfastproxy_session=evil", "fastproxy_session =evil", "fastproxy_session_2=evil; Path=/reports/",
		"fastproxy_form=evil", "fastproxy_state_abc=evil; Path=/", "fastproxy_bounce=evil", "fastproxy_home=evil", "fastproxy_x=evil", "__Host-fastproxy_session=evil; Secure; Path=/", "__host-fastproxy_session=evil; Secure; Path=/",
		"__Secure-fastproxy_session=evil; Secure", "__Host-__Secure-fastproxy_form=evil", "=fastproxy_session=evil", "= fastproxy_session=evil", "==fastproxy_session=evil", "=__Host-fastproxy_session=evil; Path=/; Secure",
		"fastproxy_session=; Max-Age=0; Path=/", "fastproxy_session=evil; Domain=localhost", "fastproxy_session", "__Host-fastproxy_session",
	}
	g.shiny.answer = func(rw http.ResponseWriter, r *http.Request) {
		for _, c := range theirs {
			rw.Header().Add("Set-Cookie", c)
		}
		rw.Header().Add("set-cookie", "theirs=1; Path=/")
		rw.WriteHeader(http.StatusOK)
	}
	for _, path := range []string{"/reports/", "/reports/app/__sockjs__/info", "/reports/session/0123456789abcdef0123456789abcdef/download/x"} {
		res, _ := g.raw("GET " + path + " HTTP/1.1\r\nHost: " + g.host() + "\r\nConnection: close\r\nCookie: " + good + "\r\n\r\n")
		for _, c := range res.Header["Set-Cookie"] {
			if strings.Contains(strings.ToLower(c), "fastproxy") {
				g.t.Errorf("%s: an app sets %q", path, c)
			}
		}
		if got := fmt.Sprint(res.Header["Set-Cookie"]); !strings.Contains(got, "theirs=1") {
			g.t.Errorf("%s: an app's own cookie is lost: %s", path, got)
		}
	}
	// Browsers take cookies from the answer to a handshake, too.
	g.shiny.answer = func(rw http.ResponseWriter, r *http.Request) {
		c, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			g.t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: %s\r\nSet-Cookie: theirs=1\r\n\r\n", strings.Join(theirs, "\r\nSet-Cookie: "))
	}
	res, _ := g.raw("GET /reports/websocket/ HTTP/1.1\r\nHost: " + g.host() + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + g.origin + "\r\nCookie: " + good + "\r\n\r\n")
	if got := strings.Join(res.Header["Set-Cookie"], "; "); res.StatusCode != 101 || strings.Contains(strings.ToLower(got), "fastproxy") || !strings.Contains(got, "theirs=1") {
		g.t.Errorf("a handshake is answered %s and sets %q", res.Status, got)
	}
}

// securely does the same where PUBLIC_URL is https: only names that no sibling
// domain can set count.
func (w *assault) securely(t *testing.T) {
	g := newSiege(t, w.bin)
	const front = "front.example.org"
	g.begin(settings{"PUBLIC_URL": "https://" + front}, "")
	ask := func(cookie string, lines ...string) string {
		return "GET /.fastproxy/session HTTP/1.1\r\nHost: " + front + "\r\nAccept: application/json\r\nConnection: close\r\n" + strings.Join(append(lines, "Cookie: "+cookie), "\r\n") + "\r\n\r\n"
	}
	open := func(method, path, cookie, body string) *http.Response {
		t.Helper()
		res, page := g.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s",
			method, path, front, cookie, len(body), body))
		if res == nil {
			t.Fatalf("%s %s: no answer", method, path)
		}
		res.Header.Set("Page", page)
		return res
	}
	signIn := func(user, password, form, token string) map[string]string {
		t.Helper()
		res := open("POST", "/.fastproxy/password", form, "token="+token+"&user="+user+"&password="+strings.ReplaceAll(password, " ", "+"))
		got := map[string]string{}
		for _, c := range res.Cookies() {
			got[c.Name] = c.Value
			if !strings.HasPrefix(c.Name, "__Host-fastproxy_") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("sets %q", c)
			}
		}
		return got
	}
	res := open("GET", "/login", "", "")
	form, token := res.Cookies()[0], tokenField.FindStringSubmatch(res.Header.Get("Page"))[1]
	const name = "__Host-fastproxy_session"
	kim := signIn("kim", kimPassword, form.Name+"="+form.Value, token)[name]
	sam := signIn("sam", samPassword, form.Name+"="+form.Value, token)[name]
	if form.Name != "__Host-fastproxy_form" || kim == "" || sam == "" {
		t.Fatalf("form %q, kim %q, sam %q", form.Name, kim, sam)
	}
	// What a sibling domain, or plain http, could plant.
	for _, planted := range []string{"fastproxy_form=" + form.Value, "__host-fastproxy_form=" + form.Value, "__Secure-fastproxy_form=" + form.Value, "__HOST-fastproxy_form=" + form.Value} {
		if got := signIn("kim", kimPassword, planted, token); got[name] != "" {
			t.Errorf("%.30q: a planted cookie makes a form ours", planted)
		}
	}
	for cookie, who := range map[string]string{
		name + "=" + kim:           kimName,
		"fastproxy_session=" + sam: "", "__host-fastproxy_session=" + sam: "", "__HOST-FASTPROXY_SESSION=" + sam: "", "__Secure-fastproxy_session=" + sam: "", "Host-fastproxy_session=" + sam: "",
		name + "=" + kim + "; fastproxy_session=" + sam:        kimName,
		"fastproxy_session=" + sam + "; " + name + "=" + kim:   kimName,
		name + "=" + kim + "; __host-fastproxy_session=" + sam: kimName,
		name + "=" + kim + "; " + name + "=" + sam:             "",
		name + "_2=" + sam:                           "",
		name + "=" + kim + "; " + name + "_2=" + sam: kimName,
		"=" + name + "=" + sam:                       "",
		" " + name + "=" + kim:                       kimName,
	} {
		if got := g.whoBy(ask(cookie)); got != who {
			t.Errorf("%.60q: the session is %q's, want %q", cookie, got, who)
		}
	}
	// The same door under plain http is not ours: nobody is served or sent around with a session.
	for _, origin := range []string{"http://" + front, "http://" + front + ":443", "https://" + front + ":8443", "https://x." + front} {
		res, _ := g.raw("GET /reports/websocket/ HTTP/1.1\r\nHost: " + front + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + origin + "\r\nCookie: " + name + "=" + kim + "\r\n\r\n")
		if res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("a WebSocket from %s gets %v, want 403", origin, res)
		}
	}
}

// fixation signs kim in with a browser that somebody prepared.
func (w *assault) fixation(t *testing.T) {
	g := besiege(t, w.bin, nil, "")
	sams := g.signedIn("sam", samPassword)
	copied := sams.cookies()
	planted := jarOf(sams)["fastproxy_session"]
	// Kim sits down at a browser that has sam's session, which sam keeps a copy of.
	token := sams.form()
	if res, _ := sams.guess(token, "127.0.0.1", "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing kim in ends with %s", res.Status)
	}
	if now := jarOf(sams)["fastproxy_session"]; now == planted || now == "" {
		t.Error("kim goes on with the cookie that was there")
	}
	if who := g.who(sams.cookies()); who != kimName {
		t.Errorf("the browser is %q's now, want %q", who, kimName)
	}
	if who := g.who(copied); who != "" {
		t.Errorf("the copy is still %q's, want nobody's: it was another person's session in this browser", who)
	}
	// Garbage and half cookies there before do no harm.
	for _, before := range []string{"fastproxy_session=x", "fastproxy_session_2=" + planted, "fastproxy_session=; fastproxy_session_2=; fastproxy_session_3=x; fastproxy_session_4=y"} {
		b := g.guest()
		token := b.form()
		for pair := range strings.SplitSeq(before, "; ") {
			name, value, _ := strings.Cut(pair, "=")
			b.Jar.SetCookies(mustParse(g.origin), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
		}
		res, _ := b.ask("POST", "/.fastproxy/password", ownPost, "token="+token+"&user=kim&password=correct+horse")
		set := map[string]string{}
		for _, c := range res.Cookies() {
			set[c.Name] = c.Value
		}
		if who := g.who("fastproxy_session=" + set["fastproxy_session"]); who != kimName {
			t.Errorf("with %q there before, the browser is %q's", before, who)
		}
		for _, name := range []string{"fastproxy_session_2", "fastproxy_session_3", "fastproxy_session_4"} {
			if v, told := set[name]; strings.Contains(before, name) && (!told || v != "") {
				t.Errorf("with %q there before, %s stays", before, name)
			}
		}
	}
	// Each sign-in is another session: ending one leaves the other.
	one, two := g.signedIn("kim", kimPassword), g.signedIn("kim", kimPassword)
	first := one.cookies()
	one.ask("GET", "/logout", with(navigation, "Sec-Fetch-Site", "same-origin"), "")
	if g.who(first) != "" || g.who(two.cookies()) != kimName {
		t.Error("two browsers of kim's share a session")
	}
}

// bombs has many cookies of ours in one browser: what we answer stays small
// enough for a proxy in front.
func (w *assault) bombs(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	g.begin(l.trust(g.origin), "")
	for _, n := range []int{10, 100, 600} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "fastproxy_state_%d%s=x; ", i, strings.Repeat("x", 2000/n))
		}
		res, _ := g.raw("GET /login HTTP/1.1\r\nHost: " + g.host() + "\r\nAccept: text/html\r\nConnection: close\r\nCookie: " + b.String() + "\r\n\r\n")
		size := 0
		for name, values := range res.Header {
			for _, v := range values {
				size += len(name) + len(v) + 4
			}
		}
		if res.StatusCode != http.StatusFound || size > 4000 {
			t.Errorf("with %d planted cookies /login answers %s with a head of %d bytes, want a redirect within the 4 KB that nginx keeps for one", n, res.Status, size)
		}
	}
	// And somebody can sign in all the same.
	b := g.guest()
	for i := range 40 {
		b.Jar.SetCookies(mustParse(g.origin), []*http.Cookie{{Name: fmt.Sprint("fastproxy_state_", i), Value: "x", Path: "/"}})
	}
	if res, page := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("with 40 planted cookies signing in ends with %s\n%s", res.Status, page)
	}
	for _, head := range []string{
		"Cookie: a=" + strings.Repeat("x", 20<<10), strings.Repeat("Cookie: a=b\r\n", 110) + "X: y", strings.Repeat("X: y\r\n", 101) + "X: y", "Cookie: " + strings.Repeat("a=b; ", 4000),
	} {
		res, _ := g.raw("GET /login HTTP/1.1\r\nHost: " + g.host() + "\r\nAccept: text/html\r\n" + head + "\r\n\r\n")
		if res == nil || res.StatusCode != 400 && res.StatusCode != 431 {
			t.Errorf("%.30q…: answered %v, want 431 or 400", head, res)
		}
	}
}
