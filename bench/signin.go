package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// pages that a sign-in may take: a redirect, a name, a password, a consent and
// something that posts itself make five.
const maxSignInPages = 12

// maxPage is how much of a page is read.
const maxPage = 2 << 20

// logins hands out who signs in next. Safe for many goroutines.
type logins struct {
	list []Login
	turn atomic.Uint64
}

func (l *logins) next() Login {
	if len(l.list) == 0 {
		return Login{}
	}
	return l.list[(l.turn.Add(1)-1)%uint64(len(l.list))]
}

// asked reports whether anybody is to sign in at all.
func (s *SignIn) asked() bool { return s.OIDC || len(s.Logins) > 0 }

func (s *SignIn) check() error {
	if s.OIDC && len(s.Logins) == 0 {
		return usage("sign-in: --oidc needs a --login user:password for the form of the identity provider")
	}
	return nil
}

// signIn opens the app as a person would and goes through what stands before
// it, until the app's page is there, which is the answer. The session is in v's
// jar then.
func (v *visitor) signIn(ctx context.Context, s *SignIn, who Login) (*answer, error) {
	v.signingIn = true
	defer func() { v.signingIn = false }()
	w := &walk{v: v, oidc: s.OIDC, who: who, filled: map[string]bool{}}
	c := v.net.homeCall("/")
	for range maxSignInPages {
		c.accept, c.want = acceptPage, maxPage
		a, err := v.do(ctx, c)
		if err != nil {
			return nil, err
		}
		if c, err = w.step(a); c == nil || err != nil {
			return a, err
		}
	}
	return nil, faultf("sign-in", "the sign-in did not end after %d pages", maxSignInPages)
}

// walk is one sign-in under way.
type walk struct {
	v      *visitor
	oidc   bool
	who    Login
	filled map[string]bool // forms with a password that have been sent, by where they were
}

// step looks at a page and gives the call that comes next; nil at the end.
func (w *walk) step(a *answer) (*call, error) {
	if w.arrived(a) {
		return nil, nil
	}
	p := readPage(a.body, a.at)
	home := w.v.net.isHome(a.at)
	if c := w.connect(a, p); c != nil {
		return c, nil
	}
	if a.status >= 500 || a.status == http.StatusTooManyRequests {
		return nil, faultf("status "+strconv.Itoa(a.status), "signing in: %s answers %d (%s)", place(a.at), a.status, p.said())
	}
	if !home && !w.oidc {
		if err := w.movedTo(a); err != nil {
			return nil, err
		}
		return nil, faultf("sign-in", "the app sends visitors to %s; --oidc signs in there", place(a.at))
	}
	if home && w.oidc {
		if i := slices.IndexFunc(p.links, func(u *url.URL) bool { return w.v.net.isHome(u) && u.Query().Get("with") == "issuer" }); i >= 0 {
			return &call{method: http.MethodGet, to: p.links[i]}, nil
		}
	}
	f := p.choose(w.who.User)
	if f == nil {
		if err := w.movedTo(a); err != nil {
			return nil, err
		}
		return nil, faultf("sign-in", "%s answers %d and has no form to fill in (%s)", place(a.at), a.status, p.said())
	}
	return w.fill(f, p, a)
}

// arrived reports whether a is the app's own page.
func (w *walk) arrived(a *answer) bool {
	path := w.v.net.home.Path
	inside := a.at.Path == path || strings.HasPrefix(a.at.Path, path+"/")
	return w.v.net.isHome(a.at) && inside && a.status < 400 && !strings.HasSuffix(a.at.Path, "/__login__") && !ownPath(a.at.Path, path)
}

// movedTo is an error where a is the app under another origin: who asked by
// 127.0.0.1 may have been sent to localhost, whose cookies are others.
func (w *walk) movedTo(a *answer) error {
	path := w.v.net.home.Path
	if w.v.net.isHome(a.at) || path == "" || a.at.Path != path && !strings.HasPrefix(a.at.Path, path+"/") {
		return nil
	}
	return faultf("sign-in", "%s sends visitors to %s; give that address", clip(origin(w.v.net.home), 100), place(a.at))
}

// ownPath tells the paths of the proxy itself, for an app at its root.
func ownPath(path, home string) bool {
	return home == "" && (path == "/login" || path == "/callback" || strings.HasPrefix(path, "/.fastproxy/"))
}

// connect is the sign-in of Posit Connect: JSON to __login__, and the cookie
// rsconnect. It tells itself apart by the cookie rscid.
func (w *walk) connect(a *answer, p *htmlPage) *call {
	if a.status != http.StatusForbidden && a.status != http.StatusNotFound && a.status != http.StatusUnauthorized {
		return nil
	}
	known := slices.ContainsFunc(w.v.jar.Cookies(w.v.net.home), func(c *http.Cookie) bool { return c.Name == "rscid" })
	c := w.v.net.homeCall("/__login__")
	if !known || p.choose("") != nil || w.filled[c.target] {
		return nil
	}
	w.filled[c.target] = true
	body, _ := json.Marshal(map[string]string{"username": w.who.User, "password": w.who.Password})
	c.post(string(body), "application/json")
	return c
}

func (c *call) post(body, kind string) {
	c.method, c.body, c.length, c.kind, c.origin = http.MethodPost, strings.NewReader(body), int64(len(body)), kind, true
}

// fill sends a form. One with a password that comes back was answered "no".
func (w *walk) fill(f *form, p *htmlPage, a *answer) (*call, error) {
	if secret := f.secret(); secret != nil {
		if w.filled[place(a.at)] {
			return nil, faultf("sign-in refused", "%s does not let %s in (%s)", place(a.at), clip(w.who.User, 60), p.said())
		}
		w.filled[place(a.at)] = true
		secret.value = w.who.Password
	}
	if user := f.user(); user != nil {
		user.value = w.who.User
	}
	to := f.action
	if !f.named && w.v.net.isHome(a.at) && a.status >= 400 { // Shiny Server Pro
		to = w.v.net.homeCall("/__login__").to
	}
	values := f.values(f.button(w.who.User)).Encode()
	c := &call{method: f.method, to: to}
	if f.method == http.MethodPost {
		c.post(values, "application/x-www-form-urlencoded")
		return c, nil
	}
	with := *to
	with.RawQuery = values
	c.to = &with
	return c, nil
}

// choose finds the form to fill in: one for a password, for a name, with a
// button for the person, or else one that can simply be sent.
func (p *htmlPage) choose(person string) *form {
	for _, good := range []func(*form) bool{
		func(f *form) bool { return f.secret() != nil },
		func(f *form) bool { return f.user() != nil },
		func(f *form) bool { b := f.button(person); return b != nil && person != "" && b.value == person },
		func(f *form) bool { return f.method == http.MethodPost && (f.button("") != nil || len(f.buttons) == 0) },
	} {
		if i := slices.IndexFunc(p.forms, good); i >= 0 {
			return p.forms[i]
		}
	}
	return nil
}

// said is a page in a few words.
func (p *htmlPage) said() string {
	switch {
	case p.alert != "":
		return clip(p.alert, 150)
	case p.title != "":
		return "“" + clip(p.title, 100) + "”"
	}
	return "without a title"
}

// place is a URL without its query, which may hold codes.
func place(u *url.URL) string { return clip(u.Scheme+"://"+u.Host+u.Path, 200) }
