package fastproxy

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
)

// What was wrong with shiny-auth0-plus, one test for each, so that it does not
// come back.

func TestDefect1UpgradesAreAuthenticated(t *testing.T) {
	h := build(t, plan{})
	stranger, kim := h.browser(), h.browser()
	kim.signIn("/reports/", "kim")
	for _, c := range []struct {
		who    *browser
		path   string
		status int
	}{
		{stranger, "/reports/websocket/", 401},
		{stranger, "/reports/app/__sockjs__/n=abcdefghijklmnopqr/000/abcdefgh/websocket", 401},
		{stranger, "/admin/websocket/", 401},
		{stranger, "/anything/websocket/", 404},
		{kim, "/admin/websocket/", 403},
		{kim, "/anything/websocket/", 404},
		{kim, "/adminx/websocket/", 404},
		{kim, "/reports/../admin/websocket/", 400},
	} {
		if tunnel, resp := c.who.handshake(c.path); tunnel != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.path, resp.Status, c.status)
		}
	}
	if tunnel, resp := kim.handshake("/reports/websocket/", "Origin", "https://evil.test"); tunnel != nil || resp.StatusCode != 403 {
		t.Errorf("another site's page: %s", resp.Status)
	}
	kim.tunnel("/reports/websocket/")
}

func TestDefect2UpgradesSayWhoIsThere(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	_, resp := b.handshake("/reports/websocket/")
	if got, want := resp.Header.Get("X-Told"), `{"groups":["Admin"],"id":["auth0|kim"],"shiny":["{\"user\":\"auth0|kim\",\"groups\":[\"Admin\"]}"]}`; got != want {
		t.Errorf("R was told %s, want %s", got, want)
	}
}

func TestDefect3NobodyNamesThemselves(t *testing.T) {
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.GroupsClaim = "-" }}) // nobody has groups
	b := h.browser()
	b.signIn("/reports/", "sam")
	for _, name := range []string{"X-Auth0-Groups", "x-auth0-groups", "X_AUTH0_GROUPS", "X-AUTH0_GROUPS", "X-Auth0_Groups"} {
		raw := h.roundTrip(t, "GET /reports/ HTTP/1.1\r\nHost: apps.test\r\nCookie: "+b.cookieHeader()+"\r\n"+name+": Admin\r\nConnection: close\r\n\r\n")
		if strings.Contains(raw, "Admin") || !strings.Contains(raw, "auth0|sam") {
			t.Errorf("%s reached R: %s", name, raw)
		}
		if _, resp := b.handshake("/reports/websocket/", name, "Admin"); strings.Contains(resp.Header.Get("X-Told"), "Admin") {
			t.Errorf("%s reached R with an upgrade: %s", name, resp.Header.Get("X-Told"))
		}
	}
}

func TestDefect4SignInIsProven(t *testing.T) {
	h := build(t, plan{})
	q := mustURL(h.browser().visit("/reports/").location(t)).Query()
	if len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || q.Get("code_challenge_method") != "S256" {
		t.Errorf("authorize parameters: %v", q)
	}
	// The issuer's honest answer, with a token that says or is signed otherwise.
	encode := base64.RawURLEncoding.EncodeToString
	for name, forge := range map[string]func(token string) string{
		"another claim": func(token string) string {
			p := strings.Split(token, ".")
			claims, _ := base64.RawURLEncoding.DecodeString(p[1])
			return p[0] + "." + encode([]byte(strings.Replace(string(claims), "auth0|kim", "auth0|sam", 1))) + "." + p[2]
		},
		"unsigned": func(token string) string {
			return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(token, ".")[1] + "."
		},
		"no signature": func(token string) string { return token[:strings.LastIndexByte(token, '.')+1] },
		"signed with the client's secret": func(token string) string {
			return signHS256(token, "a client secret")
		},
	} {
		h.auth0.meddle(tokens(t, forge))
		b := h.browser()
		b.signIn("/reports/", "kim").want(t, 502, "Signing in did not work")
		if b.cookies()[h.current.Load().names.session[0]] != "" {
			t.Errorf("%s: signed in", name)
		}
	}
	// A token of another attempt of this very person.
	var old string
	h.auth0.meddle(tokens(t, func(token string) string {
		if old == "" {
			old = token
		}
		return old
	}))
	h.browser().signIn("/reports/", "kim").told(t)
	h.browser().signIn("/reports/", "kim").want(t, 502)
}

// tokens lets the issuer's ID tokens be changed on their way.
func tokens(t testing.TB, change func(string) string) meddling {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
		if r.URL.Path != "/oauth/token" {
			return false
		}
		rec := record(honest, r)
		var all map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil {
			t.Error(err)
		}
		if token, ok := all["id_token"].(string); ok {
			all["id_token"] = change(token)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rec.Code)
		json.NewEncoder(w).Encode(all)
		return true
	}
}

func TestDefect5NoTokenReachesTheBrowserOrShiny(t *testing.T) {
	h := build(t, plan{})
	var secrets []string
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
		if r.URL.Path != "/oauth/token" {
			return false
		}
		rec := record(honest, r)
		var all map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"id_token", "access_token"} {
			secrets = append(secrets, all[name].(string))
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(rec.Body.Bytes())
		return true
	})
	b := h.browser()
	a := b.choose(b.follow(b.visit("/reports/")), "kim")
	a = b.visit(a.location(t), "Sec-Fetch-Site", crossSite)
	seen := []string{a.body}
	for name, values := range a.Header {
		seen = append(seen, name+strings.Join(values, "\n"))
	}
	seen = append(seen, b.follow(a).body, b.visit("/.fastproxy/session").body, b.fetch("/.fastproxy/session").body, h.log.String())
	if len(secrets) != 2 {
		t.Fatalf("%d tokens", len(secrets))
	}
	for _, token := range secrets {
		for _, s := range seen {
			if strings.Contains(s, token) {
				t.Errorf("a token is in %.200s", s)
			}
		}
	}
	if strings.Contains(a.body, "<script") {
		t.Error("the callback runs a script")
	}
}

func TestDefect6ReturnIsExactAndRunsNoScript(t *testing.T) {
	h := build(t, plan{})
	const target = "/reports/?_inputs_&a=1&b='-alert(1)-'&c=%22%3E%3Cscript%3E"
	b := h.browser()
	raw := h.rawVisit(target, "")
	for _, line := range strings.Split(raw, "\r\n") {
		if c, ok := strings.CutPrefix(line, "Set-Cookie: "); ok {
			b.client.Jar.SetCookies(mustURL(h.origin+"/"), parseCookie(c))
		}
	}
	_, to, _ := strings.Cut(raw, "\r\nLocation: ")
	to, _, _ = strings.Cut(to, "\r\n")
	a := b.visit(b.choose(b.follow(b.visit(to)), "kim").location(t), "Sec-Fetch-Site", crossSite)
	if a.location(t) != target || a.body != "" {
		t.Errorf("returned to %s with %q", a.location(t), a.body)
	}
}

func TestDefect7AccessDeniedDoesNotLoop(t *testing.T) {
	h := build(t, plan{})
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Path != "/authorize" {
			return false
		}
		q := url.Values{"error": {"access_denied"}, "error_description": {"not on the list"}, "state": {r.URL.Query().Get("state")}}
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+q.Encode(), http.StatusFound)
		return true
	})
	b := h.browser()
	b.follow(b.visit("/reports/")).want(t, 403, "You were not let in", "not on the list", "prompt=login")
}

func TestDefect8AShinyThatIsDownIsA502(t *testing.T) {
	h := build(t, plan{env: map[string]string{"SHINY_PORT": closedPort(t)}})
	b := h.browser()
	a := b.signIn("/reports/", "kim").want(t, 502, "The app does not answer", "Request id")
	id := h.awaitRecord(t, "event.reason", "upstream_unreachable")["http.request.id"].(string)
	if !strings.Contains(a.body, id) {
		t.Error("the page and the log do not name the same request")
	}
	if a := b.fetch("/reports/"); a.StatusCode != 502 || !strings.Contains(a.body, `"error":"upstream_unreachable"`) {
		t.Errorf("a script: %s %s", a.Status, a.body)
	}
}

func TestDefect9ClaimsOfAnyKindEndNothing(t *testing.T) {
	people := []demo.Person{
		{Key: "a", Sub: "auth0|a", Name: "Кирилл Ж. \U0001F600 %", Nickname: "x\r\nX-Injected: 1", Email: "ü@example.org", Locale: "日本", Groups: []string{"Größe", "a,b", "100%", "\x00", strings.Repeat("g", 300)}},
		{Key: "b", Sub: "auth0|b"},
	}
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.People, o.SlimIDToken = people, true }})
	b := h.browser()
	e := b.signIn("/reports/", "a").told(t)
	if e.Header.Get("X-Injected") != "" || e.Header.Get("X-Auth0-User-Id") != "auth0|a" || !strings.HasPrefix(e.Header.Get("X-Auth0-Name"), "%D0%9A") {
		t.Errorf("R was told %v", e.Header)
	}
	for name, values := range e.Header {
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s: %q cannot stand in a header", name, v)
			}
		}
	}
	for _, claims := range []string{
		`{"sub":"auth0|b","email":null,"name":null,"https://fastproxy.example/groups":null}`,
		`{"sub":"auth0|b","email":5,"name":{"x":1},"nickname":[1],"picture":true,"https://fastproxy.example/groups":{"a":1}}`,
		`{"sub":"auth0|b","email":"","https://fastproxy.example/groups":[null,1,{"name":"n"},["x"],"ok"]}`,
		`[]`, `null`, `{`, ``,
	} {
		h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.URL.Path != "/userinfo" {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(claims))
			return true
		})
		b := h.browser()
		b.signIn("/reports/", "b").told(t)
		b.visit("/.fastproxy/session").want(t, 200, "auth0|b")
		b.visit("/admin/").want(t, 403)
	}
}

func TestDefect10AdminIsClosed(t *testing.T) {
	for _, c := range []struct {
		env      string
		kim, sam int
	}{{"", 403, 403}, {"ADMIN_USERS=auth0|kim", 200, 403}, {"ADMIN_GROUPS=DL,Other", 403, 200}, {"ADMIN_USERS=*", 200, 200}} {
		env := map[string]string{}
		if name, value, ok := strings.Cut(c.env, "="); ok {
			env[name] = value
		}
		h := build(t, plan{env: env})
		kim, sam := h.browser(), h.browser()
		kim.signIn("/reports/", "kim")
		sam.signIn("/reports/", "sam")
		for _, path := range []string{"/admin/", "/admin/deep/x?y", "/admin"} {
			a, b := kim.follow(kim.visit(path)), sam.follow(sam.visit(path))
			if a.StatusCode != c.kim || b.StatusCode != c.sam {
				t.Errorf("%s, %s: kim %d, sam %d, want %d and %d", c.env, path, a.StatusCode, b.StatusCode, c.kim, c.sam)
			}
		}
		h.stop() // its issuer's address is the next one's
		h.auth0.close()
	}
}

func TestDefect11StrangersCostNoSessionAndARestartKeepsThem(t *testing.T) {
	h := build(t, plan{})
	for range 20 {
		if a := h.browser().fetch("/reports/"); len(a.Header.Values("Set-Cookie")) > 0 {
			t.Fatalf("a stranger got %v", a.Header.Values("Set-Cookie"))
		}
	}
	if n := len(h.registry.Sessions()); n > 0 {
		t.Errorf("%d sessions of strangers", n)
	}
	b := h.browser()
	a := b.visit(b.choose(b.follow(b.visit("/reports/")), "kim").location(t), "Sec-Fetch-Site", crossSite)
	for _, c := range a.Header.Values("Set-Cookie") {
		if !strings.Contains(c, "; HttpOnly; SameSite=Lax; Secure") {
			t.Errorf("cookie %s", c)
		}
	}
	h.stop()
	h.start(nil)
	b.fetch("/reports/").told(t)
}

func TestDefect12SessionsEndWhenTheyAreToAndGroupsFollow(t *testing.T) {
	kim := demo.Person{Key: "kim", Sub: "auth0|kim", Name: "Kim", Groups: []string{"Admin"}}
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.People = []demo.Person{kim} }, env: map[string]string{"ADMIN_GROUPS": "Admin", "SESSION_MAX": "1h"}})
	b := h.browser()
	b.signIn("/admin/", "kim").told(t)
	c := b.tunnel("/admin/websocket/")
	// An operator ends it, and its live streams.
	h.control(t, "DELETE", "/sessions/"+h.registry.Sessions()[0].ID.String()).want(t, 200)
	if code := ended(t, c); code/100 != 45 {
		t.Errorf("the tunnel ended with %d", code)
	}
	if a := b.fetch("/admin/"); a.StatusCode != 401 {
		t.Errorf("the session: %s", a.Status)
	}
	// The next sign-in takes the groups of then.
	h.auth0.close()
	kim.Groups = []string{"Guests"}
	changed := makeAuth0At(t, h.auth0.addr, func(o *demo.Auth0Options) { o.People = []demo.Person{kim} })
	h.auth0.Auth0 = changed
	h.auth0.open()
	b.signIn("/admin/", "kim").want(t, 403)
	if e := b.fetch("/reports/").told(t); e.Header.Get("X-Auth0-Groups") != "Guests" {
		t.Errorf("R was told %q", e.Header.Get("X-Auth0-Groups"))
	}
	if v := h.registry.Sessions(); len(v) == 0 || v[len(v)-1].Expires.Sub(v[len(v)-1].IssuedAt) != time.Hour {
		t.Errorf("sessions: %+v", v)
	}
}

func TestDefect13LocationsMoveToTheMount(t *testing.T) {
	shiny := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/app/") // as Shiny Server adds a slash
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	defer shiny.Close()
	host, port, _ := net.SplitHostPort(shiny.Listener.Addr().String())
	h := build(t, plan{env: map[string]string{"SHINY_HOST": host, "SHINY_PORT": port}})
	b := h.browser()
	a := b.choose(b.follow(b.visit("/reports/app")), "kim")
	a = b.visit(a.location(t), "Sec-Fetch-Site", crossSite)
	if to := b.visit(a.location(t)).location(t); to != "/reports/app/" {
		t.Errorf("leads to %s", to)
	}
}

func TestDefect14LogsAreJSONWithoutCodes(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := mustURL(b.toCallback("/reports/?_inputs_&secret=bookmarked-4711", "kim"))
	b.follow(b.visit(callback.String(), "Sec-Fetch-Site", crossSite)).told(t)
	b.visit(callback.String(), "Sec-Fetch-Site", crossSite)
	h.awaitRecord(t, "url.path", "/reports/", "user.id", "auth0|kim")
	for line := range strings.Lines(h.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("not JSON: %q", line)
		}
	}
	for _, never := range []string{callback.Query().Get("code"), callback.Query().Get("state"), "bookmarked-4711", "_inputs_"} {
		if strings.Contains(h.log.String(), never) {
			t.Errorf("the log holds %q", never)
		}
	}
}

func TestDefect15ResetsEndNobodyElse(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	stays := b.tunnel("/reports/websocket/")
	for range 5 {
		c := b.tunnel("/reports/websocket/")
		c.NetConn().(*net.TCPConn).SetLinger(0)
		c.NetConn().Close() // a reset, as from a laptop that was closed
	}
	await(t, "their records", func() bool { return len(h.records(t, "event.dataset", "fastproxy.websocket")) == 5 })
	if err := stays.WriteMessage(1, []byte("x")); err != nil {
		t.Error(err)
	}
	b.fetch("/reports/").told(t)
	h.ops(t, "/healthz").want(t, 200)
	if n := h.figure(t, "fastproxy_panics_total"); n > 0 {
		t.Errorf("%v panics", n)
	}
}
