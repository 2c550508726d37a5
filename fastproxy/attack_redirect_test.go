//go:build linux

package fastproxy_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// elsewhere lists spellings of another site's address, as browsers, proxies
// and URL parsers of the last ten years were fooled by them. Each names
// evil.example.
func elsewhere(origin string) (all []string) {
	host := strings.TrimPrefix(origin, "http://")
	fronts := []string{"", "/", "/reports/", "/reports/..", "/.", "/%2e", "/;", "/reports;/"}
	slashes := []string{"//", `\\`, `/\`, `\/`, "/\t/", "/\n/", "/\r/", "%2f%2f", "%5c%5c", "/%2f", "/%5c", "%2f/", "/%09/", "/%0a/", "///", `/\/`, "/%252f", "／／"}
	for _, f := range fronts {
		for _, s := range slashes {
			all = append(all, f+s+"evil.example/x")
		}
	}
	for _, scheme := range []string{"http", "https", "HTTP", "hTtPs", "ftp", "ws", "wss", "h\tttp", "\x01http", "%68ttp", "http%3a", "feed:http", "view-source:http", "intent"} {
		for _, s := range []string{"://", ":", ":/", ":///", `:\\`, `:/\`, ":%2f%2f", "%3a//"} {
			all = append(all, scheme+s+"evil.example/x")
		}
	}
	for _, script := range []string{
		"javascript:alert(1)//evil.example", "JaVaScRiPt:alert(1)//evil.example", "java\tscript:alert(1)//evil.example", "\x01javascript:alert(1)//evil.example",
		"javascript%3aalert(1)//evil.example", "javascript://evil.example/%0aalert(1)", "data:text/html,<script>location='//evil.example'</script>",
		"data:text/html;base64,PHNjcmlwdD4=evil.example", "vbscript:msgbox(1)'evil.example", "file:///evil.example", "blob:http://evil.example/x", "about:blank#evil.example",
		"mailto:x@evil.example", "tel:evil.example",
	} {
		all = append(all, script, "/"+script, " "+script)
	}
	for _, user := range []string{host + "@evil.example", host + ":80@evil.example", "evil.example#" + host, "evil.example?" + host, "evil.example\\" + host, "evil.example/" + host,
		host + ".evil.example", "evil.example%00" + host, "evil.example%23@" + host, "evil.example;" + host, "evil.example。", "[evil.example]", "evil.example:80", "EVIL.example.", "evil%2eexample"} {
		all = append(all, "//"+user, "http://"+user, "https://"+user, `/\`+user)
	}
	for _, split := range []string{"\r\n", "\n", "\r", "%0d%0a", "%0a", "%0d", "%250d%250a", "%E5%98%8A%E5%98%8D", "\u2028", "%c0%8d%c0%8a", "\x00", "%00"} {
		all = append(all, "/reports/"+split+"Location: //evil.example/", "/reports/"+split+"Set-Cookie: fastproxy_session=evil.example", "/reports/?x="+split+split+"<script>evil.example</script>")
	}
	all = append(all, origin+".evil.example/", origin+"@evil.example/", origin+"evil.example/", "http://"+host[:len(host)-1]+"@evil.example/",
		"/reports/../../evil.example/..//evil.example", "/reports//evil.example", "/reports/%2e%2e/%2e%2e//evil.example", "/admin/..//evil.example", "/..//evil.example", "/.//evil.example",
		"/x/../..//evil.example", `/reports/..\..\\evil.example`, "/%2e%2e//evil.example", "/reports/%2f%2fevil.example", "?//evil.example", "#//evil.example", "//evil.example/%2e%2e", "//evil.example/reports/..",
		"////evil.example", "/////evil.example", "/ /evil.example", "/\u00a0/evil.example", "/\u200b/evil.example", "//\u200bevil.example", "//evil\u00adexample.evil.example", "\ufeff//evil.example", "\u3000//evil.example")
	return all
}

// ownPaths lead to pages of ours, where nobody signs in to be sent, or look as
// if they did.
var ownPaths = []string{
	"/logout", "/login", "/callback", "/.fastproxy/session", "/.fastproxy/password", "/.fastproxy/", "/logout?x", "/logout#x", "/%6cogout", "/%6Cogout", "/logout/", "/logout//", "//logout",
	"/./logout", "/reports/../logout", "/reports/%2e%2e/logout", "/logout;x", "/logout;x=/reports/", "/.fastproxy%2fpassword", "/.fastproxy/../logout", "/%2efastproxy/password", `/\logout`, `/reports\..\logout`,
	"/callback?code=x&state=y", "/login?prompt=login", "/%2flogout", "/logout%00", "/logout%20", "/logout%2f", "/lo%67out?returnTo=http://evil.example", "/.%66astproxy/session",
}

// attackRedirects offers each address wherever we send people somewhere.
func (w *assault) redirects(t *testing.T) {
	g := newSiege(t, w.shipped()) // one request after the other, and many
	l := startPocketLiar(t, g.origin)
	g.begin(l.trust(g.origin).and(settings{"AUTH_PASSWD_FILE": g.writePasswd(t, "kim", kimPassword)}), "")
	addresses := elsewhere(g.origin)
	if len(addresses) < 300 {
		t.Errorf("%d addresses, want at least 300", len(addresses))
	}
	all := append(addresses, ownPaths...)
	c := &courier{siege: g, form: g.guest(), issuer: l}
	c.token = c.form.form()
	if testing.Short() {
		all = append(addresses[:60:60], ownPaths...)
	}
	ours := map[string]bool{}
	for _, p := range ownPaths {
		ours[p] = true
	}
	for _, to := range all {
		c.turn++
		c.afterPassword(to, ours[to])
		c.afterIssuer(to, ours[to])
		c.parameters(to)
		c.rawPath(to)
		c.mounts(to)
	}
	t.Logf("%d addresses, %d requests, %d redirects", len(all), c.sent, c.redirects)
	if !testing.Short() && c.sent < 3000 {
		t.Errorf("only %d requests", c.sent)
	}
}

// courier carries addresses to where redirects come from.
type courier struct {
	*siege
	form      *guest
	token     string
	issuer    *liar
	turn      int // of the addresses: some places take every second or third one
	sent      int
	redirects int
}

// afterPassword signs in with the form and sees where that leads.
func (c *courier) afterPassword(to string, own bool) {
	c.t.Helper()
	fields := url.Values{"token": {c.token}, "user": {"kim"}, "password": {kimPassword}, "return_to": {to}}
	b := newGuest(c.t, c.origin)
	b.Jar.SetCookies(mustParse(c.origin), c.form.Jar.Cookies(mustParse(c.origin)))
	res, page := b.ask("POST", "/.fastproxy/password", ownPost, fields.Encode())
	c.sent++
	if res.StatusCode != http.StatusSeeOther {
		c.t.Errorf("return_to %q in the form: signing in ends with %s", to, res.Status)
	}
	c.judge("return_to in the form", to, res, page)
	if own {
		c.leadsNowhere("return_to in the form", to, b, res)
	}
	// The page that is shown first, and again after a mistake.
	res, page = c.form.ask("GET", "/login?return_to="+url.QueryEscape(to), navigation, "")
	c.judge("return_to at /login", to, res, page)
	res, page = c.form.ask("POST", "/.fastproxy/password", ownPost, url.Values{"token": {"stale"}, "user": {to}, "return_to": {to}}.Encode())
	c.judge("a stale form", to, res, page)
	c.sent += 2
}

// afterIssuer signs in at the issuer and sees where that leads.
func (c *courier) afterIssuer(to string, own bool) {
	c.t.Helper()
	b := newGuest(c.t, c.origin)
	res, page := b.open("/login?with=issuer&return_to=" + url.QueryEscape(to))
	c.sent++
	if !strings.HasPrefix(res.Header.Get("Location"), c.issuer.Issuer+"authorize?") {
		c.t.Errorf("return_to %q: the way to the issuer is %s %q", to, res.Status, res.Header.Get("Location"))
		return
	}
	// The issuer's no shows a page with links that carry the address on.
	state := mustParse(res.Header.Get("Location")).Query().Get("state")
	res, page = b.open("/callback?error=access_denied&error_description=" + url.QueryEscape(to) + "&state=" + url.QueryEscape(state))
	c.sent++
	c.judge("the issuer's no", to, res, page)
	if own {
		b = newGuest(c.t, c.origin)
		back := c.issuer.callbackFor(b, to)
		res, page = b.open(back)
		c.sent++
		c.judge("return_to through the issuer", to, res, page)
		c.leadsNowhere("return_to through the issuer", to, b, res)
	}
}

// leadsNowhere wants a sign-in to end at the front, or where there is nothing.
func (c *courier) leadsNowhere(place, to string, b *guest, res *http.Response) {
	c.t.Helper()
	at := res.Header.Get("Location")
	if res.StatusCode == http.StatusSeeOther && at == "/" {
		return
	}
	if res, _ := b.ask("GET", at, with(navigation, "Sec-Fetch-Site", "same-origin"), ""); res.StatusCode != http.StatusNotFound {
		c.t.Errorf("%s, %q: leads to our own %q, which answers %s", place, to, at, res.Status)
	}
}

// parameters tries the names that others give to such an address.
func (c *courier) parameters(to string) {
	c.t.Helper()
	q := url.QueryEscape(to)
	for i, path := range []string{
		"/logout?returnTo=" + q + "&post_logout_redirect_uri=" + q + "&return_to=" + q + "&next=" + q + "&url=" + q,
		"/callback?returnTo=" + q + "&redirect_uri=" + q, "/callback?state=" + q + "&code=" + q, "/callback?error=" + q + "&state=x",
		"/login?next=" + q + "&redirect=" + q + "&rd=" + q + "&redirect_uri=" + q, "/?" + q,
	} {
		if (c.turn+i)%2 == 0 {
			continue
		}
		b := newGuest(c.t, c.origin)
		res, page := b.ask("GET", path, with(navigation, "Sec-Fetch-Site", "same-origin"), "")
		c.sent++
		c.judge(path[:min(len(path), 12)], to, res, page)
	}
}

// rawPath sends the address as the target itself, byte for byte, to us under
// our own name, and under its own.
func (c *courier) rawPath(to string) {
	c.t.Helper()
	for i, target := range []string{to, "/reports" + to, "/reports?" + to} {
		if (c.turn+i)%3 != 0 {
			continue
		}
		if strings.ContainsAny(target, "\r\n \x00") {
			target = strings.NewReplacer("\r", "%0d", "\n", "%0a", " ", "%20", "\x00", "%00").Replace(target)
		}
		for _, host := range []string{c.host(), "evil.example"} {
			res, page := c.raw("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n" +
				"X-Original-URL: //evil.example/\r\nForwarded: host=evil.example\r\nConnection: close\r\n\r\n")
			c.sent++
			if res == nil {
				c.t.Errorf("target %q: no answer", target)
				continue
			}
			c.judge("the target itself", target, res, page)
		}
	}
}

// mounts asks for apps in ways that are answered by a redirect of ours.
func (c *courier) mounts(to string) {
	c.t.Helper()
	path := []string{"/reports/?" + url.PathEscape(to), "/reports/" + url.PathEscape(to), "/reports?" + url.QueryEscape(to)}[c.turn%3]
	res, page := newGuest(c.t, c.origin).open(path)
	c.sent++
	c.judge("a mount", to, res, page)
}

func mustParse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}

var (
	links    = regexp.MustCompile(`(?i)\b(href|src|action|formaction|content|url)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)`)
	ourIcon  = regexp.MustCompile(`^data:image/svg\+xml,`)
	refreshy = regexp.MustCompile(`(?i)<meta[^>]*refresh|<base|<script|<iframe|<object|<embed|\son[a-z]+\s*=`)
)

// judge wants an answer that leads nowhere but to our own origin, or to the
// issuer's fixed pages, and shows no link that does.
func (c *courier) judge(place, to string, res *http.Response, page string) {
	c.t.Helper()
	if res.StatusCode >= 500 && res.StatusCode != 502 && res.StatusCode != 503 {
		c.t.Errorf("%s, %q: %s", place, to, res.Status)
	}
	for _, name := range []string{"Location", "Refresh", "Content-Location", "Link"} {
		for _, v := range res.Header[name] {
			c.redirects++
			if name != "Location" || !c.home(v) {
				c.t.Errorf("%s, %q: %s leads to %q", place, to, name, v)
			}
		}
	}
	for name := range res.Header {
		if strings.Contains(strings.ToLower(name), "evil") {
			c.t.Errorf("%s, %q: header %q", place, to, name)
		}
	}
	for _, cookie := range res.Header["Set-Cookie"] {
		if strings.Contains(cookie, "evil") {
			c.t.Errorf("%s, %q: sets cookie %q", place, to, cookie)
		}
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		return
	}
	if before, rest, found := strings.Cut(page, "<style>"); found {
		_, rest, _ = strings.Cut(rest, "</style>")
		page = before + rest
	}
	if m := refreshy.FindString(page); m != "" {
		c.t.Errorf("%s, %q: the page has %q", place, to, m)
	}
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		v := html.UnescapeString(strings.Trim(m[2], `"'`))
		if strings.EqualFold(m[1], "content") || ourIcon.MatchString(v) {
			continue
		}
		if !c.home(v) {
			c.t.Errorf("%s, %q: the page leads to %s=%q", place, to, m[1], v)
		}
	}
}

// home reports an address that every reader takes for ours: our origin spelt
// out, or a path from the root whose second byte is neither slash nor
// backslash, in visible ASCII throughout. Also the issuer's two fixed pages.
func (c *courier) home(v string) bool {
	if v == "" {
		return false
	}
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return false
		}
	}
	if rest, ok := strings.CutPrefix(v, c.origin); ok {
		return rest == "" || rooted(rest)
	}
	if c.issuer != nil && (strings.HasPrefix(v, c.issuer.Issuer+"authorize?") || strings.HasPrefix(v, c.issuer.Issuer+"oidc/logout?") || strings.HasPrefix(v, c.issuer.Issuer+"v2/logout?")) {
		return c.issuerHome(v)
	}
	return rooted(v)
}

func rooted(path string) bool {
	return path[0] == '/' && (len(path) == 1 || path[1] != '/' && path[1] != '\\')
}

// issuerHome reports an address of the issuer's that leads back to nobody but
// us.
func (c *courier) issuerHome(v string) bool {
	q := mustParse(v).Query()
	for _, name := range []string{"redirect_uri", "post_logout_redirect_uri", "returnTo"} {
		for _, back := range q[name] {
			if back != c.origin+"/callback" {
				return false
			}
		}
	}
	return !strings.Contains(fmt.Sprint(q), "evil")
}
