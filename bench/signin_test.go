package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// portal is an app at /app/ with the sign-in that its fields describe.
type portal struct {
	*httptest.Server
	mux    *http.ServeMux
	issuer *httptest.Server
	posts  []string // forms it was sent: path and body
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	p := &portal{mux: http.NewServeMux()}
	p.Server = serve(t, p.mux.ServeHTTP)
	return p
}

// app answers /app/ for who has the cookie, else with the function given.
func (p *portal) app(otherwise http.HandlerFunc) {
	p.mux.HandleFunc("/app/", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("session"); err == nil && c.Value == "kim" {
			io.WriteString(w, `<title>app</title><form><input type=password></form>`)
			return
		}
		otherwise(w, r)
	})
}

func (p *portal) welcome(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "kim", Path: "/"})
	http.Redirect(w, r, p.URL+"/app/", http.StatusSeeOther)
}

// form takes what was posted, if it is right.
func (p *portal) form(r *http.Request, want url.Values) bool {
	r.ParseForm()
	p.posts = append(p.posts, r.URL.Path)
	return r.Method == http.MethodPost && r.PostForm.Encode() == want.Encode()
}

var kim = Login{"kim", "correct horse"}

func (p *portal) signIn(t *testing.T, in SignIn) error {
	t.Helper()
	v := visitorOf(t, p.URL+"/app/")
	_, err := v.signIn(t.Context(), &in, kim)
	return err
}

func TestAnOpenAppAsksNobody(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<form><input type=password name=x></form>")
	})
	if err := p.signIn(t, SignIn{}); err != nil || len(p.posts) != 0 {
		t.Errorf("sent %v (%v), want nothing", p.posts, err)
	}
}

func TestAPasswordFormIsFilledIn(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login?return_to=%2Fapp%2F", 302) })
	p.mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<form method=get action=/search><input name=q></form>
			<form method="post" action="/.fastproxy/password"><input type="hidden" name="token" value="a&amp;b">
			<input name="user"><input name="password" type="password"><input type=checkbox name=stay value=1><input type=checkbox name=terms checked>
			<select name=realm><option value=1>one<option selected>two</select><input name=off disabled><button>Go</button></form>`)
	})
	p.mux.HandleFunc("/.fastproxy/password", func(w http.ResponseWriter, r *http.Request) {
		want := url.Values{"token": {"a&b"}, "user": {"kim"}, "password": {"correct horse"}, "terms": {"on"}, "realm": {"two"}}
		if !p.form(r, want) || r.Header.Get("Origin") != p.URL {
			http.Error(w, fmt.Sprint(r.PostForm), http.StatusUnprocessableEntity)
			return
		}
		p.welcome(w, r)
	})
	if err := p.signIn(t, SignIn{}); err != nil {
		t.Error(err)
	}
}

func TestAPasswordThatIsRefusedIsSentOnce(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", 302) })
	p.mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			p.posts = append(p.posts, "/login")
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, `<p role=alert>User name or <b>password</b> is wrong.</p>`)
		}
		io.WriteString(w, `<form method=post><input name=user><input type=password name=password></form>`)
	})
	err := p.signIn(t, SignIn{})
	if faultKind(err) != "sign-in refused" || !strings.Contains(err.Error(), "User name or password is wrong.") || len(p.posts) != 1 {
		t.Errorf("%d posts, error %v", len(p.posts), err)
	}
	if strings.Contains(err.Error(), kim.Password) {
		t.Error("the error tells the password")
	}
}

func TestShinyServerProsFormIsFilledIn(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app/__login__" {
			if p.form(r, url.Values{"success_url": {"/app/"}, "username": {"kim"}, "password": {"correct horse"}}) {
				p.welcome(w, r)
			}
			return
		}
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `<form method=post><input type=hidden name=success_url value=/app/><input name=username><input type=password name=password></form>`)
	})
	if err := p.signIn(t, SignIn{}); err != nil {
		t.Error(err)
	}
}

func TestPositConnectIsSentJSON(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app/__login__" {
			if body, _ := io.ReadAll(r.Body); string(body) == `{"password":"correct horse","username":"kim"}` {
				p.welcome(w, r)
			}
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "rscid", Value: "1", Path: "/"})
		http.NotFound(w, r)
	})
	if err := p.signIn(t, SignIn{}); err != nil {
		t.Error(err)
	}
}

// behindIssuer sends visitors without a session to an issuer on another
// origin, which comes back to /callback.
func (p *portal) behindIssuer(t *testing.T, pages map[string]func(w http.ResponseWriter, r *http.Request)) {
	t.Helper()
	mux := http.NewServeMux()
	for path, h := range pages {
		mux.HandleFunc(path, h)
	}
	p.issuer = serve(t, mux.ServeHTTP)
	p.app(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "attempt", Value: "1", Path: "/"})
		http.Redirect(w, r, p.issuer.URL+"/authorize?state=s", 302)
	})
	p.mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("attempt"); err != nil || c.Value != "1" || r.FormValue("code") != "c0de" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		p.welcome(w, r)
	})
}

func htmlOf(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func TestAnIssuerThatAsksInTwoPagesAndForConsentIsFollowed(t *testing.T) {
	p := newPortal(t)
	p.behindIssuer(t, map[string]func(http.ResponseWriter, *http.Request){
		"/authorize": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/u/identifier?state=i", 302) },
		"/u/identifier": func(w http.ResponseWriter, r *http.Request) {
			if p.form(r, url.Values{"state": {"i"}, "username": {"kim"}, "action": {"default"}}) {
				http.Redirect(w, r, "/u/password?state=i", 302)
				return
			}
			io.WriteString(w, `<form method=post data-provider=google><input type=hidden name=connection value=google><button name=connection value=google>G</button></form>
				<form method=post><input type=hidden name=state value=i><input name=username><button name=action value=default>Continue</button></form>`)
		},
		"/u/password": func(w http.ResponseWriter, r *http.Request) {
			if p.form(r, url.Values{"state": {"i"}, "username": {"kim"}, "password": {"correct horse"}, "action": {"default"}}) {
				http.Redirect(w, r, "/consent", 302)
				return
			}
			io.WriteString(w, `<form method=post><input type=hidden name=state value=i><input type=text name=username value=kim readonly><input type=password name=password>
				<button name=action value=default>Continue</button><button name=action value=forgot>Forgot</button></form>`)
		},
		"/consent": func(w http.ResponseWriter, r *http.Request) {
			if p.form(r, url.Values{"action": {"accept"}}) {
				http.Redirect(w, r, p.URL+"/callback?code=c0de&state=s", 302)
				return
			}
			io.WriteString(w, `<form method=post><button name=action value=decline>No</button><button name=action value=accept>Yes</button></form>`)
		},
	})
	if err := p.signIn(t, SignIn{OIDC: true}); err != nil {
		t.Error(err)
	}
}

func TestAnIssuerThatPostsItsAnswerIsFollowed(t *testing.T) {
	p := newPortal(t)
	p.behindIssuer(t, map[string]func(http.ResponseWriter, *http.Request){
		"/authorize": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<body onload="document.forms[0].submit()"><form method=post action="%s/callback"><input type=hidden name=code value=c0de></form>`, p.URL)
		},
	})
	if err := p.signIn(t, SignIn{OIDC: true}); err != nil {
		t.Error(err)
	}
}

func TestAnIssuerIsLeftAloneWithoutBeingToldTo(t *testing.T) {
	p := newPortal(t)
	p.behindIssuer(t, map[string]func(http.ResponseWriter, *http.Request){"/authorize": htmlOf("<form method=post><input type=password name=password></form>")})
	if err := p.signIn(t, SignIn{}); faultKind(err) != "sign-in" || !strings.Contains(err.Error(), "--oidc") {
		t.Errorf("error is %v, want one that names --oidc", err)
	}
}

func TestAnAppThatHasAnotherAddressSaysWhichToGive(t *testing.T) {
	p := newPortal(t)
	other := newPortal(t)
	other.mux.HandleFunc("/app/", htmlOf("<title>app</title>"))
	p.app(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/app/", http.StatusFound) })
	for _, in := range []SignIn{{}, {OIDC: true}} {
		if err := p.signIn(t, in); faultKind(err) != "sign-in" || !strings.Contains(err.Error(), p.URL+" sends visitors to "+other.URL+"/app/; give that address") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestAPageThatOnlyAScriptFillsIsSaidToHaveNoForm(t *testing.T) {
	p := newPortal(t)
	p.behindIssuer(t, map[string]func(http.ResponseWriter, *http.Request){"/authorize": htmlOf("<title>Sign in with  Auth0</title><script>lock.show()</script>")})
	err := p.signIn(t, SignIn{OIDC: true})
	if faultKind(err) != "sign-in" || !strings.Contains(err.Error(), "/authorize answers 200 and has no form to fill in (“Sign in with Auth0”)") || strings.Contains(err.Error(), "state") {
		t.Errorf("error is %v", err)
	}
}

func TestWhereBothLoginsAreOfferedTheOneThatWasAskedForIsTaken(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", 302) })
	p.mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("with") == "issuer" {
			p.welcome(w, r)
			return
		}
		io.WriteString(w, `<a href="/other?with=issuer&x">x</a><form method=post action=/pw><input type=password name=password></form><a href="/login?return_to=%2F&amp;with=issuer">org</a>`)
	})
	p.mux.HandleFunc("/other", p.welcome)
	p.mux.HandleFunc("/pw", func(w http.ResponseWriter, r *http.Request) { p.posts = append(p.posts, "/pw"); p.welcome(w, r) })
	if err := p.signIn(t, SignIn{OIDC: true}); err != nil || len(p.posts) != 0 {
		t.Errorf("sent the password %d times (%v), want the issuer's link followed", len(p.posts), err)
	}
	if err := p.signIn(t, SignIn{}); err != nil || len(p.posts) != 1 {
		t.Errorf("sent the password %d times (%v), want once", len(p.posts), err)
	}
}

func TestASignInWithoutEndIsGivenUp(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", 302) })
	p.mux.HandleFunc("/again", htmlOf(`<form method=post><button name=more value=1>more</button></form>`))
	if err := p.signIn(t, SignIn{}); faultKind(err) != "sign-in" || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("error is %v", err)
	}
}

func TestABusyServerIsCountedAsItsStatus(t *testing.T) {
	p := newPortal(t)
	p.app(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	if err := p.signIn(t, SignIn{}); faultKind(err) != "status 503" {
		t.Errorf("error is %v (%s)", err, faultKind(err))
	}
}

func TestAPasswordIsNeverPrinted(t *testing.T) {
	var l Login
	if err := l.UnmarshalText([]byte("kim:correct:horse")); err != nil || l.Password != "correct:horse" {
		t.Fatalf("read %v (%v)", l.User, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{l, &l, []Login{l}, SignIn{Logins: []Login{l}}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "horse") || strings.Contains(text, "686f727365") {
				t.Errorf("%s of %T prints %s", verb, value, text)
			}
		}
	}
	if err := l.UnmarshalText([]byte("secret")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a login without a colon: %v", err)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add(`<base href="//x/"><form method=post action="../a"><input type=password name=p><select name=s><option>1</select><button name=b value=c></form><a href="/login?with=issuer">`)
	f.Fuzz(func(t *testing.T, text string) {
		p := readPage([]byte(text), &url.URL{Scheme: "http", Host: "a", Path: "/b"})
		if form := p.choose("kim"); form != nil {
			form.values(form.button("kim")).Encode()
		}
		p.said()
	})
}
