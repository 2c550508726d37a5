package fastproxy

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"fastproxy/fastproxy/passwd"
)

// tinasFile is a flat file with tina in it; sign-ins with it are quick.
func tinasFile(t testing.TB) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte(tinaLine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"AUTH_PASSWD_FILE": file}
}

// flat is a house whose people have passwords, and its file.
func flat(t testing.TB, pl plan) (*house, string) {
	t.Helper()
	env := tinasFile(t)
	for name, value := range pl.env {
		env[name] = value
	}
	pl.env = env
	return build(t, pl), env["AUTH_PASSWD_FILE"]
}

func TestPasswordSignsInAndReturnsExactly(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	const target = "/reports/?_inputs_&n=200&a=%22x%20y%22&q='&e=&u=%C3%BC&p=a+b&amp;=%25"
	for _, old := range []bool{false, true} { // with and without Sec-Fetch fields
		b := h.browser()
		b.old = old
		a := b.visit(target)
		if to := a.location(t); to != "/login?return_to="+url.QueryEscape(target) {
			t.Errorf("a stranger is sent to %s", to)
		}
		page := b.follow(a).want(t, 200, "Sign in", "apps.test")
		a = b.fill(page, "tina", tinaPassword)
		if to := a.location(t); a.StatusCode != 303 || to != target {
			t.Errorf("%s to %s", a.Status, to)
		}
		if e := b.follow(a).told(t); e.Header.Get("X-Auth0-User-Id") != "tina" || e.Header.Get("Shiny-Server-Credentials") != `{"user":"tina","groups":[]}` {
			t.Errorf("Shiny was told %v", e.Header)
		}
	}
	if r := h.awaitRecord(t, "event.action", "login"); r["user.id"] != "passwd:tina" || r["fastproxy.login"] != "passwd" || r["http.request.id"] == nil {
		t.Errorf("record: %v", r)
	}
	if strings.Contains(h.log.String(), tinaPassword) {
		t.Error("the password is in the log")
	}
}

func TestVeryLongBookmarkIsReturnedToByPassword(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	for _, n := range []int{3000, 7000, 11000} {
		target := "/reports/?x=" + strings.Repeat("%22ab", n/5)
		b := h.browser()
		a := b.fill(b.follow(b.visit(target)), "tina", tinaPassword)
		if to := a.location(t); to != target && (n <= 7000 || to != "/reports/") {
			t.Errorf("a page of %d bytes leads to one of %d", len(target), len(to))
		}
	}
}

// hidden in an answer is what differs between two that are alike.
var perVisit = regexp.MustCompile(`[0-9a-f]{32}|name="token" value="[^"]+"|Date: [^\n]+`)

func TestWrongPasswordAndUnknownUserAreAnsweredAlike(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	var pages []string
	for _, user := range []string{"tina", "nobody"} {
		b := h.browser()
		a := b.fill(b.follow(b.visit("/reports/")), user, "wrong").want(t, 422, "User name or password is wrong")
		if n := len(b.cookies()[h.current.Load().names.session[0]]); n > 0 {
			t.Error("signed in")
		}
		header := ""
		for name := range a.Header {
			header += name + " "
		}
		pages = append(pages, strconv.Itoa(len(strings.Fields(header)))+perVisit.ReplaceAllString(strings.ReplaceAll(a.body, user, "USER"), ""))
	}
	if pages[0] != pages[1] {
		t.Errorf("a wrong password:\n%s\nan unknown user:\n%s", pages[0], pages[1])
	}
	await(t, "two records", func() bool {
		return len(h.records(t, "event.action", "login_failed", "event.reason", "wrong_password")) == 2
	})
	for _, r := range h.records(t, "event.action", "login_failed") {
		if u := r["user.id"]; u != nil && u != "passwd:tina" {
			t.Errorf("a name that may be a password is in the log: %v", u)
		}
	}
	if strings.Contains(h.log.String(), `nobody"`) {
		t.Error("what was typed as a user's name is in the log")
	}
}

func TestPasswordFormTakesOnlyItsOwnPosts(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	b := h.browser()
	page := b.follow(b.visit("/reports/"))
	token := formToken.FindStringSubmatch(page.body)[1]
	whole := url.Values{"token": {token}, "return_to": {"/reports/"}, "user": {"tina"}, "password": {tinaPassword}}
	without := url.Values{"return_to": {"/reports/"}, "user": {"tina"}, "password": {tinaPassword}}
	another := url.Values{"token": {formToken.FindStringSubmatch(h.browser().follow(h.browser().visit("/login")).body)[1]}, "user": {"tina"}, "password": {tinaPassword}}
	stranger := h.browser()
	strangers := stranger.follow(stranger.visit("/reports/"))
	for _, c := range []struct {
		name   string
		form   url.Values
		header []string
	}{
		{"another site", whole, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}},
		{"another site that hides", whole, []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}},
		{"a sibling", whole, []string{"Sec-Fetch-Site", "same-site", "Origin", "https://sibling.test"}},
		{"another site of an old browser", whole, []string{"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Origin", "https://evil.test"}},
		{"no token", without, nil},
		{"another browser's token", another, nil},
		{"no cookie", whole, nil},
		{"plain text, as a form without a check could send", whole, []string{"Content-Type", "text/plain"}},
		{"no type", whole, []string{"Content-Type", ""}},
		{"multipart", whole, []string{"Content-Type", "multipart/form-data; boundary=x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := h.browser()
			for name, value := range b.cookies() {
				if c.name != "no cookie" {
					one.put(name, value)
				}
			}
			a := one.post("/.fastproxy/password", c.form, c.header...).want(t, 403, "open for too long")
			if strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "fastproxy_session=") {
				t.Error("signed in")
			}
		})
	}
	// The attacker's own cookie and token, but another's browser: login CSRF by
	// a planted cookie is what __Host- is for; the other way round:
	if a := b.fill(strangers, "tina", tinaPassword); a.StatusCode != 403 {
		t.Errorf("a form of another browser: %s", a.Status)
	}
	if a := b.fill(page, "tina", tinaPassword); a.StatusCode != 303 {
		t.Errorf("the honest one: %s", a.Status)
	}
	// Browsers and clients without Sec-Fetch fields.
	old := h.browser()
	old.old = true
	if a := old.fill(old.follow(old.visit("/reports/")), "tina", tinaPassword, "Origin", "https://apps.test"); a.StatusCode != 303 {
		t.Errorf("without Sec-Fetch fields: %s", a.Status)
	}
}

func TestPasswordAddressIsForPosts(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	b := h.browser()
	if to := b.visit("/.fastproxy/password").location(t); to != "/login" {
		t.Errorf("somebody who reloads is sent to %s", to)
	}
	if a := b.fetch("/.fastproxy/password"); a.StatusCode != 405 || a.Header.Get("Allow") != "POST" {
		t.Errorf("%s, Allow %q", a.Status, a.Header.Get("Allow"))
	}
	b.do("POST", "/.fastproxy/password", strings.Repeat("x", maxForm+1), "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded").want(t, 413)
	none := build(t, plan{})
	none.browser().do("POST", "/.fastproxy/password", "user=tina", "Accept", "text/html").want(t, 404)
}

func TestGuessesAreSlowedDown(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true})
	b := h.browser()
	page := b.follow(b.visit("/reports/"))
	var slow reply
	for i := range 10 {
		a := b.fill(page, "tina", "guess")
		if a.StatusCode == 429 {
			slow = a
			if i < 3 {
				t.Errorf("slowed down after %d tries", i)
			}
			break
		}
		a.want(t, 422)
	}
	if slow.Response == nil {
		t.Fatal("ten guesses at once")
	}
	if n, err := strconv.Atoi(slow.Header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
		t.Errorf("Retry-After: %q", slow.Header.Get("Retry-After"))
	}
	slow.want(t, 429, "Too many tries", `name="user"`)
	b.fill(page, "tina", tinaPassword).want(t, 429)
	// Somebody else at that address is not locked out by it.
	b.fill(page, "karl", "x").want(t, 422)
	h.awaitRecord(t, "event.action", "login_failed", "event.reason", "login_backoff")
	// Nor is tina, elsewhere.
	if a := b.fill(page, "tina", tinaPassword, "X-Forwarded-For", "192.0.2.9"); a.StatusCode != 303 {
		t.Errorf("tina from another address: %s", a.Status)
	}
}

func TestBothLoginsAreOffered(t *testing.T) {
	h, _ := flat(t, plan{})
	b := h.browser()
	page := b.follow(b.visit("/reports/?n=1")).want(t, 200, `name="password"`, "Sign in with your organization")
	href := regexp.MustCompile(`href="(/login[^"]*)"`).FindStringSubmatch(page.body)[1]
	e := b.follow(b.choose(b.follow(b.visit(unescapeHTML(href), "Sec-Fetch-Site", "same-origin")), "kim")).told(t)
	if e.Target != "/?n=1" || e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Errorf("%s as %s", e.Target, e.Header.Get("X-Auth0-User-Id"))
	}
	b = h.browser()
	if e := b.password("/reports/?n=2", "tina", tinaPassword).told(t); e.Target != "/?n=2" || e.Header.Get("X-Auth0-User-Id") != "tina" {
		t.Errorf("%s as %s", e.Target, e.Header.Get("X-Auth0-User-Id"))
	}
	// As someone else means so at the issuer, too.
	a := b.visit("/login?prompt=login&return_to=%2Freports%2F").want(t, 200)
	if !strings.Contains(a.body, "with=issuer&amp;prompt=login") {
		t.Error("the issuer would sign the same person in again")
	}
}

// ended waits for the close of a tunnel and returns its code.
func ended(t testing.TB, c *websocket.Conn) (code int) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		if e, ok := err.(*websocket.CloseError); ok {
			return e.Code
		}
		return -1
	}
}

func TestChangedOrRemovedLineEndsItsSessionsAndTunnels(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"removed": func(file string) error { return os.WriteFile(file, []byte("# nobody\n"), 0o600) },
		"changed": func(file string) error {
			_, err := passwd.Set(file, "tina", passwd.NewHash([]byte("another"), 10)) // as sspasswd does
			return err
		},
		"moved in place": func(file string) error {
			line := "tina:" + passwd.NewHash([]byte("another"), 10).Encode() + "\n"
			if err := os.WriteFile(file+".new", []byte(line), 0o600); err != nil {
				return err
			}
			return os.Rename(file+".new", file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, file := flat(t, plan{noOIDC: true})
			b := h.browser()
			b.password("/reports/", "tina", tinaPassword).told(t)
			c := b.tunnel("/reports/websocket/")
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			if code := ended(t, c); code/100 != 45 {
				t.Errorf("the tunnel ended with %d, want 45xx: no silent return", code)
			}
			if a := b.fetch("/reports/"); a.StatusCode != 401 {
				t.Errorf("the session: %s", a.Status)
			}
			r := h.awaitRecord(t, "event.action", "session_ended")
			if r["user.id"] != "passwd:tina" || r["event.reason"] != "password_changed" || r["fastproxy.streams_closed"] != 1.0 {
				t.Errorf("record: %v", r)
			}
		})
	}
}

func TestBrokenFileChangesNothing(t *testing.T) {
	h, file := flat(t, plan{noOIDC: true})
	b := h.browser()
	b.password("/reports/", "tina", tinaPassword).told(t)
	if err := os.WriteFile(file, []byte("tina:{scrypt}!!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.awaitRecord(t, "message", "the flat file has mistakes; the last good one stays in force")
	if !strings.Contains(fmt.Sprint(r), "passwd:1: ") {
		t.Errorf("the log says %v", r)
	}
	b.fetch("/reports/").told(t)
}

func TestWithoutALoginThePageSaysSo(t *testing.T) {
	h, _ := flat(t, plan{noOIDC: true, adjust: func(p *Proxy) {
		s := *p.current.Load()
		s.passwd = nil // as with allow: public on every mount, and /admin/ closed
		p.current.Store(&s)
	}})
	h.browser().visit("/admin/").want(t, 403, "Nobody can sign in here yet", "AUTH_PASSWD_FILE")
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
