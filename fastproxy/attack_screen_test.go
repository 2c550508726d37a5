//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// planted has a sibling domain set cookies for us, which plain http cannot
// forbid, and then try to sign a visitor in as somebody else.
func (w *assault) planted(t *testing.T) {
	th := w.theatre(t, true, nil, "")
	attacker := th.guest()
	token := attacker.form()
	form := jarOf(attacker)[formCookie]
	sams := jarOf(th.siege.signedIn("sam", samPassword))["fastproxy_session"]
	send := `const f = Object.assign(document.createElement("form"), { method: "post", action: front + "/.fastproxy/password" }); f.innerHTML = "<input name=token value=` + token + `><input name=user value=sam><input name=password value='` + samPassword + `'>"; document.body.append(f); f.submit();`
	for name, page := range map[string]string{"that hides": "/", "that shows itself": "/shown"} {
		victim := th.browser.open(t, "victim of a site "+name)
		victim.visit(th.evil + page)
		victim.b.ask("eval", args{"page": victim.name, "text": `void (() => { document.cookie = ` + quoted(formCookie+"="+form+"; domain=attack.test; path=/") + `; const front = ` + quoted(th.origin) + `; ` + send + ` })()`})
		victim.arrive(th.origin)
		if who := th.who(th.cookies(victim)); who != "" {
			t.Errorf("a sibling %s signs a visitor in as %q", name, who)
		}
		// The visitor's own way in is not shut by it: they sign in after all.
		victim.visit(th.origin + "/reports/hostile/")
		fillPassword(victim, "kim", kimPassword)
		victim.await("body", "an app's page")
		th.stays(t, victim, "signing in by hand")

		trap := th.browser.open(t, "victim of a site "+name)
		trap.visit(th.evil + page)
		trap.say("eval", args{"text": `document.cookie = ` + quoted("fastproxy_session="+sams+"; domain=attack.test; path=/reports/")})
		victim.visit(th.origin + "/reports/hostile/")
		if now := victim.text("body"); strings.Contains(now, samName) {
			t.Errorf("a sibling %s makes kim's browser sam's", name)
		}
		if who := th.shiny.header().Get("X-Auth0-User-Id"); who != "kim" {
			t.Errorf("a sibling %s: Shiny is told %q", name, who)
		}
	}
}

// onScreen writes texts that would act on a careless page where they are shown
// in a real browser, and looks at what it made of them.
func (w *assault) onScreen(t *testing.T) {
	g := newSiege(t, w.bin)
	l := startPocketLiar(t, g.origin)
	l.publish(jwk("ours", ourRSA(), nil))
	g.begin(l.trust(g.origin).and(settings{"AUTH_PASSWD_FILE": g.writePasswd(t, "kim", kimPassword), "AUTH0_GROUPS_CLAIM": "groups"}), "")
	b := w.chromium()
	const acts = `document.querySelectorAll('script,img,iframe,object,embed,base,meta[http-equiv],link[rel=stylesheet],video,audio,math,animate,textarea,style:not(head style),form[action^="//"],a[href^="javascript" i],a[href^="data" i],a[href^="//"],[onerror],[onload],[onfocus],[onmouseover],[ontoggle],[onbegin]')`
	look := func(p *tab, what string) {
		t.Helper()
		if got := p.say("eval", args{"text": `String(` + acts + `.length) + " " + [...` + acts + `].map(e => e.outerHTML.slice(0, 80)).join(" ") + performance.getEntriesByType("resource").map(e => e.name).join(" ")`}); got != "0 " {
			t.Errorf("%s: the page has %s", what, got)
		}
	}
	p := b.open(t, "somebody")
	for i, s := range scripts {
		q := url.QueryEscape(s)
		path := []string{"/login?return_to=" + q, "/login?return_to=/reports/" + q, "/nothing/" + url.PathEscape(s), "/callback?error=" + q + "&error_description=" + q + "&state=9x"}[i%4]
		p.visit(g.origin + path)
		look(p, path)
		if i%2 == 0 {
			continue
		}
		p.visit(g.origin + "/login")
		p.ask("eval", args{"text": `(() => { const f = document.forms[0]; f.noValidate = true; f.user.removeAttribute("maxlength"); f.user.value = ` + quoted(strings.ToValidUTF8(s, "?")) + `; f.password.value = "x"; })()`}, nil)
		p.click("button[type=submit]")
		p.arrive("/.fastproxy/password")
		look(p, "user name "+s)
	}
	// All at once, as claims.
	var groups []string
	for _, s := range scripts {
		groups = append(groups, strings.ToValidUTF8(s, "?"))
	}
	all := strings.Join(groups[:12], " ")
	for name, more := range map[string]map[string]any{
		"with groups":    {"name": all, "nickname": all, "email": groups[0], "email_verified": true, "picture": groups[22], "groups": groups},
		"without groups": {"name": all, "nickname": all, "groups": nil, groups[0]: 1, groups[3]: 1, "http://x/" + groups[6]: 1},
	} {
		l.lie(func(c map[string]any) string { return good(changed(c, more)) })
		v := b.open(t, "visitor "+name)
		v.visit(g.origin + "/login?with=issuer&return_to=/.fastproxy/x")
		v.click("button[value=kim]")
		v.arrive(g.origin)
		for _, path := range []string{"/.fastproxy/session", "/admin/", "/callback"} {
			v.visit(g.origin + path)
			look(v, name+" "+path)
			if path == "/.fastproxy/session" && !strings.Contains(v.text("body"), "pwned") {
				t.Errorf("%s: %s shows no claims, so this shows nothing", name, path)
			}
		}
	}
}

// inTheBar follows addresses of another site in a real browser, and looks where
// it is at the end.
func (w *assault) inTheBar(t *testing.T) {
	g := besiege(t, w.bin, nil, "")
	b := w.chromium()
	host := g.host()
	p := b.open(t, "a visitor")
	for _, to := range []string{
		"//evil.localhost/x", `/\evil.localhost/x`, `\\evil.localhost/x`, "/\t/evil.localhost/x", "/\n/evil.localhost/x", "http://evil.localhost/x", "http:evil.localhost", `http:\\evil.localhost`, "https:/evil.localhost", "javascript:alert(1)", "data:text/html,evil",
		"/%09/evil.localhost", "/%5cevil.localhost", "/%2fevil.localhost", "/.//evil.localhost", "/reports/..//evil.localhost", `/reports/..\\evil.localhost`, "/;//evil.localhost", "//" + host + "@evil.localhost", g.origin + "@evil.localhost", g.origin + ".evil.localhost",
		"/reports/\r\nLocation: http://evil.localhost", "/reports/%0d%0aLocation:%20http://evil.localhost", "／／evil.localhost", "/logout", "/.fastproxy/session", "/%6cogout", "/reports/hostile/?a=b&c=%2F%2Fevil.localhost#//evil.localhost",
	} {
		p.ask("forget", nil, nil)
		p.visit(g.origin + "/login?return_to=" + url.QueryEscape(to))
		fillPassword(p, "kim", kimPassword)
		eventually(t, "the form to lead somewhere", func() error {
			if at := mustParse(p.url()).Path; at == "/login" || at == "/.fastproxy/password" {
				return fmt.Errorf("it is at %s", at)
			}
			return nil
		})
		if u := mustParse(p.url()); u.Scheme+"://"+u.Host != g.origin {
			t.Errorf("return_to %q leads to %s", to, u)
		}
		if who := g.who("fastproxy_session=" + sessionOf(p)); who != kimName {
			t.Errorf("return_to %q: signed in as %q", to, who)
		}
	}
	for _, target := range []string{"//evil.localhost/", "/%2f/evil.localhost/", "/reports//evil.localhost", `/\evil.localhost`, "/reports?//evil.localhost", "/?//evil.localhost", "/callback?error=x&state=y&redirect_uri=http://evil.localhost", "/logout?returnTo=http://evil.localhost"} {
		p.visit(g.origin + target)
		if at := mustParse(p.url()); at.Host != host {
			t.Errorf("%s leads to %s", target, at)
		}
	}
}

func sessionOf(p *tab) string {
	for _, c := range p.cookies() {
		if c.Name == "fastproxy_session" {
			return c.Value
		}
	}
	return ""
}
