package fastproxy

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestListenAddresses(t *testing.T) {
	tcp := func(a string) []ListenAddr { return []ListenAddr{{Network: "tcp", Address: a}} }
	unix := func(a string) []ListenAddr { return []ListenAddr{{Network: "unix", Address: a}} }
	for _, c := range []struct {
		env  string
		want []ListenAddr
	}{
		{"", []ListenAddr{{Network: "tcp", Address: "127.0.0.1:3000"}, {Network: "tcp", Address: "[::1]:3000", Optional: true}}},
		{"PORT=8080", tcp(":8080")},
		{"PORT=8080 # the web", tcp(":8080")}, // as the originals' parseInt
		{"PORT=/run/x.sock", unix("/run/x.sock")},
		{"PORT=8080\nLISTEN=127.0.0.1:1", tcp(":8080")},
		{"LISTEN=0.0.0.0:80,[::]:81", []ListenAddr{{Network: "tcp", Address: "0.0.0.0:80"}, {Network: "tcp", Address: "[::]:81"}}},
		{"LISTEN=:0", tcp(":0")},
		{"LISTEN=unix:/run/y.sock", unix("/run/y.sock")},
		{"LISTEN=/run/y.sock", unix("/run/y.sock")},
	} {
		if got := mustLoad(t, login+good+c.env, "").ListenAddrs(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.env, got, c.want)
		}
	}
}

func TestPublicOrigin(t *testing.T) {
	dir := t.TempDir()
	passwd := "AUTH_PASSWD_FILE=" + filepath.Join(dir, "passwd") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "passwd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ env, origin, callback string }{
		{login, "http://localhost:3000", "http://localhost:3000/callback"},
		{login + "PORT=8080", "http://localhost:3000", "http://localhost:3000/callback"}, // the originals' default does not follow PORT
		{login + "AUTH0_CALLBACK_URL=HTTPS://Apps.Example.ORG:443/callback?a=1", "https://apps.example.org", "HTTPS://Apps.Example.ORG:443/callback?a=1"},
		{login + "AUTH0_CALLBACK_URL=http://h:80", "http://h", "http://h:80"},
		{login + "PUBLIC_URL=https://Apps.example.org:8443/", "https://apps.example.org:8443", "https://apps.example.org:8443/callback"},
		{login + "PUBLIC_URL=https://a\nAUTH0_CALLBACK_URL=https://b/x", "https://a", "https://b/x"},
		{login + "PUBLIC_URL=http://[::1]:80", "http://[::1]", "http://[::1]/callback"},
		{passwd, "http://localhost:3000", "http://localhost:3000/callback"},
		{passwd + "PORT=8080", "http://localhost:8080", "http://localhost:8080/callback"},
		{passwd + "LISTEN=/run/x.sock,127.0.0.1:81", "http://127.0.0.1:81", "http://127.0.0.1:81/callback"},
		{passwd + "PUBLIC_URL=https://a", "https://a", "https://a/callback"},
	} {
		s := mustLoad(t, good+c.env, "")
		if s.PublicOrigin() != c.origin || s.Auth0.CallbackURL != c.callback {
			t.Errorf("%s:\n got %s %s\nwant %s %s", c.env, s.PublicOrigin(), s.Auth0.CallbackURL, c.origin, c.callback)
		}
	}
}

func TestCallbackPaths(t *testing.T) {
	for url, want := range map[string]string{
		"https://h/callback": "/callback", "https://h/": "/ /callback", "https://h": "/ /callback", "https://h/auth/back": "/auth/back /callback",
	} {
		if got := strings.Join(mustLoad(t, login+good+"AUTH0_CALLBACK_URL="+url, "").CallbackPaths(), " "); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

func TestLogoutFollowsTheOriginalsVariables(t *testing.T) {
	const callback = "https://h/callback"
	for _, c := range []struct {
		env  string
		want LogoutTarget
	}{
		{"", LogoutTarget{true, false, callback}},
		{"AUTH0_LOGOUT_URL=https://o/bye", LogoutTarget{true, false, "https://o/bye"}},
		{"AUTH0_LOGOUT_URL=https://o/bye\nLOGOUT_URL=https://p/", LogoutTarget{true, false, "https://o/bye"}},
		{"LOGOUT_URL=https://p/", LogoutTarget{false, false, "https://p/"}},
		{"LOGOUT_URL=https://p/\nLOGOUT_AUTH0=true", LogoutTarget{true, false, "https://p/"}},
		{"LOGOUT_URL=https://p/\nLOGOUT_FEDERATED=true", LogoutTarget{true, true, "https://p/"}},
		{"LOGOUT_URL=https://p/\nFEDERATED=true", LogoutTarget{true, true, "https://p/"}},
		{"LOGOUT_AUTH0=false\nFEDERATED=true", LogoutTarget{true, true, callback}},
		{"LOGOUT_AUTH0=false", LogoutTarget{false, false, ""}},
		{"LOGOUT_AUTH0=false\nLOGOUT_URL=/bye", LogoutTarget{false, false, "/bye"}},
		{"AUTH0_LOGOUT_URL=/bye", LogoutTarget{true, false, "https://h/bye"}},
	} {
		if got := mustLoad(t, login+good+"AUTH0_CALLBACK_URL="+callback+"\n"+c.env, "").LogoutTarget(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.env, got, c.want)
		}
	}
}

func TestIssuerIsExactlyAsWritten(t *testing.T) {
	for env, want := range map[string]string{
		"AUTH0_DOMAIN=A.auth0.com":                                              "https://a.auth0.com/",
		"AUTH0_ISSUER_URL=https://login.example.org":                            "https://login.example.org",
		"AUTH0_ISSUER_URL=https://login.example.org/realms/a/":                  "https://login.example.org/realms/a/",
		"AUTH0_ISSUER_URL=http://127.0.0.1:9/\nAUTH0_DOMAIN=127.0.0.1:9":        "http://127.0.0.1:9/",
		"AUTH0_ISSUER_URL=http://localhost:9":                                   "http://localhost:9",
		"AUTH0_ISSUER_URL=http://[::1]:9/":                                      "http://[::1]:9/",
		"AUTH0_ISSUER_URL=https://login.example.org/\nAUTH0_DOMAIN=a.auth0.com": "https://login.example.org/",
	} {
		if got := mustLoad(t, good+"AUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=s\n"+env, "").Issuer(); got != want {
			t.Errorf("%s: got %s, want %s", env, got, want)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	s := mustLoad(t, login+good, "")
	narrow := mustLoad(t, login+good+"TRUSTED_PROXIES=10.0.0.0/8,2001:db8::1", "")
	for _, c := range []struct {
		addr                string
		byDefault, narrowed bool
	}{
		{"127.0.0.9", true, false}, {"::1", true, false}, {"::ffff:127.0.0.1", true, false}, {"10.1.2.3", false, true},
		{"::ffff:10.1.2.3", false, true}, {"2001:db8::1", false, true}, {"2001:db8::2", false, false}, {"fe80::1%eth0", false, false},
	} {
		a := netip.MustParseAddr(c.addr)
		if s.TrustsProxy(a) != c.byDefault || narrow.TrustsProxy(a) != c.narrowed {
			t.Errorf("%s: %v %v", c.addr, s.TrustsProxy(a), narrow.TrustsProxy(a))
		}
	}
	if !narrow.TrustsProxy(netip.Addr{}) {
		t.Error("a peer on a Unix socket is not trusted")
	}
}

func TestOwnOrigins(t *testing.T) {
	s := mustLoad(t, login+good+"PUBLIC_URL=https://A.example:443\nALLOWED_ORIGINS=https://b.example/, HTTP://C.example:80\n", "")
	for origin, want := range map[string]bool{
		"https://a.example": true, "https://b.example": true, "http://c.example": true, "https://c.example": false, "null": false, "": false,
		"https://a.example:443": false, "https://a.example.evil": false, "http://a.example": false,
	} {
		if got := s.OwnsOrigin([]byte(origin)); got != want {
			t.Errorf("%s: got %v", origin, got)
		}
	}
	header := []byte("https://x.example")
	if n := testing.AllocsPerRun(100, func() { s.OwnsOrigin(header) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestScopesMayBeReplaced(t *testing.T) {
	s := mustLoad(t, login+good+"AUTHORIZE_PARAMS=scope=openid groups,screen_hint=signup", "")
	if got := s.Scopes(); !slices.Equal(got, []string{"openid", "groups"}) {
		t.Error(got)
	}
	if got := s.AuthorizeParams().Encode(); got != "screen_hint=signup" {
		t.Error(got)
	}
}
