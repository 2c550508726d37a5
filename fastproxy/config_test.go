package fastproxy

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// settingsDir writes a .env and, if not empty, a fastproxy.yml.
func settingsDir(t testing.TB, env, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{".env": env, "fastproxy.yml": yaml} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t testing.TB, env, yaml string) *Settings {
	t.Helper()
	s, err := LoadSettings(SourceFlags{Dir: settingsDir(t, env, yaml), Environ: []string{"HOME=/home/kim", "STATE_DIR=/var/lib/x"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// original is what the README of shiny-auth0-plus has people write.
const original = `# .env file
AUTH0_CLIENT_SECRET=myCoolSecret
AUTH0_CLIENT_ID=myCoolClientId
AUTH0_DOMAIN=myCoolDomain.auth0.com
AUTH0_CALLBACK_URL=https://my.url.com/
AUTH0_GROUPS_CLAIM=https://my.url.com/claims
COOKIE_SECRET=somethingRandomHerePlease
SHINY_HOST=localhost
SHINY_PORT=3838
SHINY_ADMIN_PORT=4151
PORT=3000
`

func TestDotenvOfTheOriginalWorksUnchanged(t *testing.T) {
	s := mustLoad(t, original, "")
	got := map[string]any{
		"issuer": s.Issuer(), "id": s.Auth0.ClientID, "secret": s.Auth0.ClientSecret.Reveal(), "callback": s.Auth0.CallbackURL,
		"paths": s.CallbackPaths(), "origin": s.PublicOrigin(), "host": s.PublicHost(), "secure": s.Secure(), "cookie": s.CookieName("session"),
		"groups": s.Auth0.GroupsClaim, "listen": s.ListenAddrs(), "logout": s.LogoutTarget(), "oidc": s.HasOIDC(), "passwd": s.HasPasswd(),
	}
	want := map[string]any{
		"issuer": "https://mycooldomain.auth0.com/", "id": "myCoolClientId", "secret": "myCoolSecret", "callback": "https://my.url.com/",
		"paths": []string{"/", "/callback"}, "origin": "https://my.url.com", "host": "my.url.com", "secure": true, "cookie": "__Host-fastproxy_session",
		"groups": "https://my.url.com/claims", "listen": []ListenAddr{{Network: "tcp", Address: ":3000"}},
		"logout": LogoutTarget{Issuer: true, ReturnTo: "https://my.url.com/"}, "oidc": true, "passwd": false,
	}
	for k := range want {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s: got %v, want %v", k, got[k], want[k])
		}
	}
	var mounts []string
	for _, m := range s.Mounts() {
		mounts = append(mounts, m.Path+" "+m.Upstream+m.UpstreamPath+" "+m.Rule.String())
	}
	if want := []string{"/admin/ http://localhost:4151/ nobody", "/reports/ http://localhost:3838/ signed_in"}; !slices.Equal(mounts, want) {
		t.Errorf("mounts: %q", mounts)
	}
	if !s.AdminIsClosed() {
		t.Error("/admin/ is open")
	}
}

const (
	login = "AUTH0_DOMAIN=a.auth0.com\nAUTH0_CLIENT_ID=id\nAUTH0_CLIENT_SECRET=topsecretclient\n"
	good  = "COOKIE_SECRET=jkl2390fjklsdfjklsdf923\n"
)

func TestOrderOfSources(t *testing.T) {
	dir := settingsDir(t, login+good+"SHINY_PORT=2\nSHINY_HOST=b\nLISTEN=127.0.0.1:1\n", "shiny: {host: a, port: 1, admin_port: 1}\nlisten: 127.0.0.1:2\n")
	s, err := LoadSettings(SourceFlags{Dir: dir, Environ: []string{"SHINY_HOST=c", "HOME=/h", "PORT=80"}, Listen: "127.0.0.1:3001,[::1]:3001"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Shiny.Host != "c" || s.Shiny.Port != 2 || s.Shiny.AdminPort != 1 {
		t.Errorf("%+v", s.Shiny)
	}
	if got := s.ListenAddrs(); len(got) != 2 || got[0].Address != "127.0.0.1:3001" || got[1].Address != "[::1]:3001" {
		t.Errorf("--listen does not win: %v", got)
	}
}

func TestNamedFilesAreReadInsteadOfTheUsualOnes(t *testing.T) {
	dir := settingsDir(t, "SHINY_PORT=x\n", "nope: x\n")
	for name, text := range map[string]string{"other.env": login + good, "other.yml": "shiny: {port: 5}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := LoadSettings(SourceFlags{Dir: dir, Env: "other.env", Config: filepath.Join(dir, "other.yml"), Environ: []string{"HOME=/h"}})
	if err != nil || s.Shiny.Port != 5 {
		t.Error(err)
	}
	_, err = LoadSettings(SourceFlags{Dir: dir, Env: "gone.env", Config: "gone.yml", Environ: []string{"HOME=/h"}})
	if err == nil || !strings.Contains(err.Error(), "gone.env: cannot be read") || !strings.Contains(err.Error(), "gone.yml: cannot be read") {
		t.Error(err)
	}
}

func TestCookieSecretOfNoUseIsSaid(t *testing.T) {
	for _, c := range []struct{ env, why string }{
		{"", "COOKIE_SECRET is not set"},
		{"COOKIE_SECRET=shhhhh", "COOKIE_SECRET has fewer than 16 characters"},
		{"COOKIE_SECRET=ääääääääääääää1", "COOKIE_SECRET has fewer than 16 characters"},
		{"COOKIE_SECRET=somethingRandomHerePlease", "known to everybody"},
		{"COOKIE_SECRET=somethingRandomAndLongHerePlease", "known to everybody"},
		{"COOKIE_SECRET=some-random-string", "known to everybody"},
		{"COOKIE_SECRET=SOME_LONG_RANDOM_SECRET", "known to everybody"},
		{"COOKIE_SECRET=aaaaaaaaaaaaaaaaaaaa", "known to everybody"},
		{"COOKIE_SECRET=----------------", "known to everybody"},
		{"COOKIE_SECRET=secretsecretsecret", "known to everybody"},
		{"COOKIE_SECRET=keyboard cat keyboard cat", "known to everybody"},
		{"COOKIE_SECRET=pa$$w0rd#is not ${cut}", ""},
		{"COOKIE_SECRET=!@%^&*()_+{}|:<>?!@", ""},
		{"COOKIE_SECRET=correct horse battery staple, and then some", ""},
	} {
		s := mustLoad(t, login+c.env, "")
		text, why := s.CookieSecret()
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) || text.IsZero() != (why != "") {
			t.Errorf("%s: why %q, want %q", c.env, why, c.why)
		}
		if warned := slices.ContainsFunc(s.Warnings(), func(w string) bool { return strings.Contains(w, "COOKIE_SECRET") }); warned != (why != "") {
			t.Errorf("%s: warnings %q", c.env, s.Warnings())
		}
	}
	s := mustLoad(t, login+"COOKIE_SECRET='pa$$w0rd#is not ${cut}'\nCOOKIE_SECRET_PREVIOUS=somethingRandomHerePlease", "")
	if text, _ := s.CookieSecret(); text.Reveal() != "pa$$w0rd#is not ${cut}" {
		t.Error("# or $ changed the secret")
	}
	if text, why := s.CookieSecretPrevious(); !text.IsZero() || why == "" {
		t.Error("a published previous secret is used")
	}
}

func TestStateDirectory(t *testing.T) {
	dir := settingsDir(t, login+good, "")
	root := os.Geteuid() == 0
	for _, c := range []struct{ environ, asRoot, asUser string }{
		{"STATE_DIR=/a STATE_DIRECTORY=/b HOME=/h", "/a", "/a"},
		{"STATE_DIRECTORY=/b:/c HOME=/h", "/b", "/b"},
		{"XDG_STATE_HOME=/x HOME=/h", "/var/lib/fastproxy", "/x/fastproxy"},
		{"XDG_STATE_HOME=x HOME=/h", "/var/lib/fastproxy", "/h/.local/state/fastproxy"},
	} {
		s, err := LoadSettings(SourceFlags{Dir: dir, Environ: strings.Fields(c.environ)})
		if err != nil {
			t.Fatal(err)
		}
		want := c.asUser
		if root {
			want = c.asRoot
		}
		if s.StateDir() != want || s.ControlPath() != want+"/control.sock" {
			t.Errorf("%s: got %s %s, want %s", c.environ, s.StateDir(), s.ControlPath(), want)
		}
	}
}

func TestRelativeNamesAreFoundFromDir(t *testing.T) {
	dir := settingsDir(t, good+"AUTH_PASSWD_FILE=passwd\nSTATE_DIR=state\nPORT=fp.sock\nLOG_FILE=log\n", "")
	if err := os.WriteFile(filepath.Join(dir, "passwd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadSettings(SourceFlags{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.Passwd.File != dir+"/passwd" || s.StateDir() != dir+"/state" || s.Log.File != dir+"/log" || s.ListenAddrs()[0].Address != dir+"/fp.sock" {
		t.Errorf("%+v", s)
	}
	if err := s.Validate(); err != nil || s.Passwd.File != dir+"/passwd" {
		t.Errorf("validating again changes things: %v", err)
	}
}

func TestShorterMaxShortensTheDefaultIdle(t *testing.T) {
	if s := mustLoad(t, login+good+"SESSION_MAX=1h", ""); s.Session.Idle != time.Hour {
		t.Error(s.Session.Idle)
	}
}

// TestDeployedExamplesLoad keeps deploy/ true to the settings.
func TestDeployedExamplesLoad(t *testing.T) {
	dir, err := filepath.Abs("../deploy")
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadSettings(SourceFlags{Env: dir + "/env.example", Config: dir + "/fastproxy.yml", Environ: []string{"HOME=/h"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !s.HasOIDC() || len(s.Mounts()) < 3 {
		t.Errorf("%+v", s.Mounts())
	}
}

// TestCommentedExamplesAreSettings reads every NAME=value of env.example,
// those behind a # too.
func TestCommentedExamplesAreSettings(t *testing.T) {
	b, err := os.ReadFile("../deploy/env.example")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, row := range new(Settings).Table() {
		known = append(known, row.Variables...)
	}
	for line := range strings.Lines(string(b)) {
		name, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if ok && !strings.ContainsAny(name, " `") && !slices.Contains(known, name) {
			t.Errorf("%s is no setting", name)
		}
	}
}
