package fastproxy

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fastproxy/fastproxy/config"
)

// problemsOf returns the lines of what is wrong; none must hold a secret.
func problemsOf(t testing.TB, env, yaml string, environ ...string) []string {
	t.Helper()
	dir := settingsDir(t, env, yaml)
	_, err := LoadSettings(SourceFlags{Dir: dir, Environ: append([]string{"HOME=/home/kim"}, environ...)})
	if err == nil {
		return nil
	}
	var all *config.Errors
	if !errors.As(err, &all) {
		t.Fatalf("error is a %T", err)
	}
	if strings.Contains(err.Error(), "topsecret") {
		t.Errorf("a secret is in\n%v", err)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), dir, "DIR"), "\n")
}

func TestEveryWrongSettingSaysWhereFoundAndWanted(t *testing.T) {
	mount := func(lines string) string {
		return "mounts:\n  - path: /x/\n    upstream: [http://127.0.0.1:1]\n    allow: public\n" + lines
	}
	for _, c := range []struct{ env, yaml, want string }{
		// the issuer
		{"AUTH0_DOMAIN=https://a.auth0.com/\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_DOMAIN: found "https://a.auth0.com/", want the domain alone: a.auth0.com`},
		{"AUTH0_DOMAIN=a.auth0.com/x\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_DOMAIN: found "a.auth0.com/x", want the domain alone: a.auth0.com`},
		{"AUTH0_DOMAIN=a b\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_DOMAIN: found "a b", want the domain alone, such as example.eu.auth0.com`},
		{"AUTH0_ISSUER_URL=http://idp.example.org/\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_ISSUER_URL: found "http://idp.example.org/", want https://; plain http is for an issuer on this very machine`},
		{"AUTH0_ISSUER_URL=http://localhost.evil.org/\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_ISSUER_URL: found "http://localhost.evil.org/", want https://`},
		{"AUTH0_ISSUER_URL=https://u:topsecret@h/\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_ISSUER_URL: found "…@h/", want the issuer's URL`},
		{"AUTH0_ISSUER_URL=login.example.org\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `.env:1: AUTH0_ISSUER_URL: found "login.example.org", want the issuer's URL`},
		{"AUTH0_DOMAIN=a.auth0.com\nAUTH0_CLIENT_SECRET=topsecret\n", "", `settings: AUTH0_CLIENT_ID: found none, want it beside AUTH0_DOMAIN`},
		{"AUTH0_DOMAIN=a.auth0.com\nAUTH0_CLIENT_ID=i\n", "", `settings: AUTH0_CLIENT_SECRET: found none, want it beside AUTH0_DOMAIN`},
		{"AUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n", "", `settings: AUTH0_DOMAIN: found none, want it beside the client's ID and secret`},
		{"AUTH0_DOMAIN=a.auth0.com\nAUTH0_CLIENT_ID=i topsecret\nAUTH0_CLIENT_SECRET=s\n", "", `.env:2: AUTH0_CLIENT_ID: found a value with spaces`},
		// logging in at all
		{good, "", `settings: found no way to sign in, want AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET (or`},
		{good, mount(""), `settings: found no way to sign in`},
		{"AUTH_PASSWD_FILE=nowhere\n", "", `.env:1: AUTH_PASSWD_FILE: found "DIR/nowhere", want a file that can be read: no such file or directory`},
		{"AUTH_PASSWD_FILE=.\n", "", `.env:1: AUTH_PASSWD_FILE: found "DIR", want a regular file`},
		{login + "AUTH_GROUPS_FILE=.env\n", "", `.env:4: AUTH_GROUPS_FILE: found "DIR/.env", want AUTH_PASSWD_FILE beside it`},
		// URLs
		{login + "PUBLIC_URL=https://h/reports/\n", "", `.env:4: PUBLIC_URL: found "https://h/reports/", want a scheme and a host alone`},
		{login + "PUBLIC_URL=apps.example.org\n", "", `.env:4: PUBLIC_URL: found "apps.example.org", want a scheme and a host alone`},
		{login + "PUBLIC_URL=https://bücher.example\n", "", `.env:4: PUBLIC_URL: found "https://bücher.example", want a scheme and a host alone`},
		{login + "PUBLIC_URL=https://h?\n", "", `.env:4: PUBLIC_URL: found "https://h?", want`},
		{login + "PUBLIC_URL=https://h:99999\n", "", `.env:4: PUBLIC_URL: found "https://h:99999", want`},
		{login + "ALLOWED_ORIGINS=https://h,*\n", "", `.env:4: ALLOWED_ORIGINS: found "*", want a scheme and a host alone`},
		{login + "AUTH0_CALLBACK_URL=/callback\n", "", `.env:4: AUTH0_CALLBACK_URL: found "/callback", want a URL such as https://apps.example.org/callback`},
		{login + "AUTH0_CALLBACK_URL=https://h/logout\n", "", `.env:4: AUTH0_CALLBACK_URL: found "https://h/logout", want another path`},
		{login + "AUTH0_CALLBACK_URL=https://h/.fastproxy/x\n", "", `.env:4: AUTH0_CALLBACK_URL: found "https://h/.fastproxy/x", want another path`},
		{login + "AUTH0_CALLBACK_URL=https://h/c%61llback\n", "", `.env:4: AUTH0_CALLBACK_URL: found "https://h/c%61llback", want a path of plain letters`},
		{login + "AUTH0_CALLBACK_URL=https://h/#x\n", "", `.env:4: AUTH0_CALLBACK_URL: found "https://h/#x", want a URL without user and fragment`},
		{login + "LOGOUT_URL=javascript:alert(1)\n", "", `.env:4: LOGOUT_URL: found "javascript:alert(1)", want a URL such as`},
		{login + "LOGOUT_URL=//evil.example\n", "", `.env:4: LOGOUT_URL: found "//evil.example", want a URL such as`},
		{login + "AUTH0_LOGOUT_URL=bye\n", "", `.env:4: AUTH0_LOGOUT_URL: found "bye", want a URL such as`},
		{login + "AUTHORIZE_PARAMS=state=x\n", "", `.env:4: AUTHORIZE_PARAMS: found "state", want other parameters`},
		{login + "AUTHORIZE_PARAMS=audience=x\n", "", `.env:4: AUTHORIZE_PARAMS: found "audience", want it in AUTHORIZE_AUDIENCE`},
		{login + "AUTHORIZE_PARAMS=a=1&b=2\n", "", `.env:4: AUTHORIZE_PARAMS: found "a=1&b=2", want parameters separated by commas`},
		{login + "AUTHORIZE_PARAMS=scope=email\n", "", `.env:4: AUTHORIZE_PARAMS: found "scope=email", want openid among the scopes`},
		// listening
		{login + "PORT=70000\n", "", `.env:4: PORT: found "70000", want a port number up to 65535, or the path of a Unix socket`},
		{login + "PORT=-1\n", "", `.env:4: PORT: found "-1", want a port number`},
		{login + "PORT=127.0.0.1:3000\n", "", `.env:4: PORT: found "127.0.0.1:3000", want a port number or the path of a Unix socket; LISTEN takes host:port`},
		{login + "PORT=/" + strings.Repeat("x", 107) + "\n", "", `.env:4: PORT: found "/xxxx`},
		{login + "LISTEN=3000\n", "", `.env:4: LISTEN: found "3000", want host:port`},
		{login + "LISTEN=127.0.0.1:x\n", "", `.env:4: LISTEN: found "127.0.0.1:x", want host:port`},
		{login + "LISTEN=http://h:1\n", "", `.env:4: LISTEN: found "http://h:1", want host:port`},
		{login + "LISTEN=:1,:1\n", "", `.env:4: LISTEN: found ":1" twice`},
		{login + "OPS_LISTEN=:3000\n", "", `.env:4: OPS_LISTEN: found ":3000", where people are let in; want a port of its own`},
		{login + "OPS_LISTEN=x\n", "", `.env:4: OPS_LISTEN: found "x", want host:port`},
		{login + "CONTROL_SOCKET=/" + strings.Repeat("x", 107) + "\n", "", `.env:4: CONTROL_SOCKET: found "/xxxx`},
		{login + "TRUSTED_PROXIES=proxy\n", "", `.env:4: TRUSTED_PROXIES: found "proxy", want addresses or ranges`},
		// what carries connections, and how many
		{login + "ENGINE=uring\n", "", `.env:4: ENGINE: found "uring", this version does not have it, want auto, epoll or portable`},
		{login, "engine: uring\n", `fastproxy.yml:1: engine: found "uring", this version does not have it, want auto, epoll or portable`},
		{login + "ENGINE=fast\n", "", `.env:4: ENGINE: found "fast", want auto, epoll or portable`},
		{login + "LOOPS=257\n", "", `.env:4: LOOPS: found "257", want 1 to 256, or 0 for one on each processor`},
		{login + "LOOPS=-1\n", "", `.env:4: LOOPS: found "-1", want 1 to 256, or 0`},
		{login, "loops: all\n", `fastproxy.yml:1: loops: found "all", want a whole number`},
		{login + "MAX_CONNECTIONS=-5\n", "", `.env:4: MAX_CONNECTIONS: found "-5", want 1 or more, or 0 for as many as the descriptors allow`},
		{login + "MAX_CONNECTIONS=1e4\n", "", `.env:4: MAX_CONNECTIONS: found "1e4", want a whole number`},
		{login + "REUSE_PORT=perhaps\n", "", `.env:4: REUSE_PORT: found "perhaps", want true or false`},
		{login + "REUSE_PORT=true\n", "", `.env:4: REUSE_PORT: found "true", want a COOKIE_SECRET that all processes on the port have: COOKIE_SECRET is not set`},
		{login + "REUSE_PORT=true\nCOOKIE_SECRET=short\n", "", `.env:4: REUSE_PORT: found "true", want a COOKIE_SECRET that all processes on the port have: COOKIE_SECRET has fewer`},
		// Shiny
		{login + "SHINY_PORT=x\n", "", `.env:4: SHINY_PORT: found "x", want a port number`},
		{login + "SHINY_PORT=3838 # app\n", "", `.env:4: SHINY_PORT: found "3838 # app", want a port number`},
		{login + "SHINY_ADMIN_PORT=0\n", "", `.env:4: SHINY_ADMIN_PORT: found "0", want a port number from 1 to 65535`},
		{login + "SHINY_PORT=3000\n", "", `.env:4: SHINY_PORT: found "3000", where fastproxy itself listens; want Shiny's port`},
		{login + "SHINY_HOST=http://h\n", "", `.env:4: SHINY_HOST: found "http://h", want a host's name or address alone`},
		{login + "SHINY_HOST=h:3838\n", "", `.env:4: SHINY_HOST: found "h:3838", want a host's name or address alone`},
		{login + "SHINY_SHARED_SECRET=topsecret ü\n", "", `.env:4: SHINY_SHARED_SECRET: found a value that cannot stand in a header`},
		{login + "UPSTREAM_HEADER_TIMEOUT=0s\n", "", `.env:4: UPSTREAM_HEADER_TIMEOUT: found "0s", want more than 0`},
		{login + "UPSTREAM_HEADER_TIMEOUT=30\n", "", `.env:4: UPSTREAM_HEADER_TIMEOUT: found "30", want a duration such as`},
		// sessions and the rest
		{login + "SESSION_IDLE=8d\n", "", `.env:4: SESSION_IDLE: found "8d", want no more than SESSION_MAX, which is 7d (default)`},
		{login + "SESSION_IDLE=2h\nSESSION_MAX=1h\n", "", `.env:4: SESSION_IDLE: found "2h", want no more than SESSION_MAX, which is 1h (.env SESSION_MAX)`},
		{login + "SESSION_MAX=-1h\n", "", `.env:4: SESSION_MAX: found "-1h", want 1s or more`},
		{login + "COOKIE_SAMESITE=strict\n", "", `.env:4: COOKIE_SAMESITE: found "strict", want lax or none: a strict cookie`},
		{login + "COOKIE_SAMESITE=none\n", "", `.env:4: COOKIE_SAMESITE: found "none", want lax, or an https PUBLIC_URL`},
		{login + "COOKIE_SAMESITE=always\n", "", `.env:4: COOKIE_SAMESITE: found "always", want lax or none`},
		{login + "LOG_LEVEL=loud\n", "", `.env:4: LOG_LEVEL: found "loud", want debug, info, warn or error`},
		{login + "LOG_FILE=gone/log\n", "", `.env:4: LOG_FILE: found "DIR/gone/log", want a file in a directory that exists`},
		{login + "STATE_DIR=.env\n", "", `.env:4: STATE_DIR: found "DIR/.env", want a directory, this is a file`},
		{login + "CHECK_SESSION=sometimes\n", "", `.env:4: CHECK_SESSION: found "sometimes", want true or false`},
		{login + "REDIS_URL=redis://:topsecret@h\n", "", `.env:4: REDIS_URL: this version does not have this setting, want it not set`},
		{login, "tls_cert_file: /x\n", `fastproxy.yml:1: tls_cert_file: this version does not have this setting`},
		// mounts
		{login, "mounts:\n  - path: /x/\n    upstream: http://h:1\n", `fastproxy.yml:2: mounts[0].allow: found none, want allow: signed_in, public or {groups: [...]`},
		{login, "mounts:\n  - path: /x/\n    allow: public\n", `fastproxy.yml:2: mounts[0].upstream: found none, want http://host:port`},
		{login, "mounts:\n  - upstream: http://h:1\n    allow: public\n", `fastproxy.yml:2: mounts[0].path: found none, want a path such as /reports/`},
		{login, "mounts:\n  - path: x\n    upstream: http://h:1\n    allow: public\n", `fastproxy.yml:2: mounts[0].path: `},
		{login, "mounts:\n  - allow: public\n    upstream: http://h:1\n    path: /.fastproxy/x/\n", `fastproxy.yml:4: mounts[0].path: `},
		{login, mount("  - path: /x/\n    upstream: http://h:1\n    allow: public\n"), `fastproxy.yml:5: mounts[1].path: found "/x/" twice, first at fastproxy.yml:2`},
		{login, mount("  - path: /y/\n    upstream: [http://h:1, http://h:2]\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found 2; several upstreams are not in this version, want one`},
		{login, mount("  - path: /y/\n    upstream: https://h:1\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found "https://h:1", want http://host:port`},
		{login, mount("  - path: /y/\n    upstream: http://h\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found "http://h", want http://host:port`},
		{login, mount("  - path: /y/\n    upstream: http://h:1/app\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found "http://h:1/app", want http://host:port; a path behind it goes to upstream_path`},
		{login, mount("  - path: /y/\n    upstream: http://kim:topsecret@h:1\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found a URL with a user, want`},
		{login, mount("  - path: /y/\n    upstream: http://localhost:3000\n    allow: public\n"), `fastproxy.yml:6: mounts[1].upstream: found "http://localhost:3000", where fastproxy itself listens`},
		{login, mount("  - path: /y/\n    upstream: http://h:1\n    upstream_path: y\n    allow: public\n"), `fastproxy.yml:5: mounts[1].path: `},
		{login, mount("  - path: /y/\n    upstream: http://h:1\n    allow: everyone\n"), `fastproxy.yml:7: mounts[1].allow: `},
		{login, mount("  - path: /y/\n    upstream: http://h:1\n    allow: {grups: [a]}\n"), `fastproxy.yml:7: mounts[1].allow: `},
		{login, mount("  - path: /y/\n    upstream: http://h:1\n    alow: public\n    allow: public\n"), `fastproxy.yml:7: unknown key "mounts[1].alow", want one of allow, path,`},
		{login + "ADMIN_USERS=kim\n", "mounts:\n  - path: /admin/\n    upstream: http://h:1\n    allow: public\n", `.env:4: ADMIN_USERS: found it beside a mount /admin/ with an allow of its own`},
		{login, "auth0: {domian: x}\n", `fastproxy.yml:1: unknown key "auth0.domian", want one of domain`},
	} {
		got := problemsOf(t, c.env, c.yaml)
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("of %q %q\n got %s\nwant %s", c.env, c.yaml, strings.Join(got, "\n     "), c.want)
		}
	}
}

func TestAllWrongSettingsAreReportedAtOnce(t *testing.T) {
	got := problemsOf(t, "AUTH0_DOMAIN=https://a/\nSHINY_PORT=x\nSESSION_MAX=0\nSHINY_HOST=http://h\nSHINY_ADMIN_PORT=0\n", "mounts:\n  - {path: /x/}\n", "PUBLIC_URL=ftp://h", "REDIS_URL=redis://h")
	for _, want := range []string{".env:1: AUTH0_DOMAIN", "settings: AUTH0_CLIENT_ID", "settings: AUTH0_CLIENT_SECRET", ".env:2: SHINY_PORT", ".env:3: SESSION_MAX", ".env:4: SHINY_HOST", ".env:5: SHINY_ADMIN_PORT",
		"environment: PUBLIC_URL", "environment: REDIS_URL", "fastproxy.yml:2: mounts[0].upstream", "fastproxy.yml:2: mounts[0].allow"} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("%s is not in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 11 {
		t.Errorf("%d lines:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestSecretsMayComeFromFiles(t *testing.T) {
	dir := settingsDir(t, "AUTH0_DOMAIN=a.auth0.com\nAUTH0_CLIENT_ID_FILE=id\nAUTH0_CLIENT_SECRET_FILE=secret\nCOOKIE_SECRET_FILE=cookie\n", "")
	for name, text := range map[string]string{"id": "theid\n", "secret": "thesecret\n", "cookie": "klsdf9034jklsdf#$ \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := LoadSettings(SourceFlags{Dir: dir, Environ: []string{"HOME=/h"}})
	if err != nil {
		t.Fatal(err)
	}
	cookie, _ := s.CookieSecret()
	if s.Auth0.ClientID != "theid" || s.Auth0.ClientSecret.Reveal() != "thesecret" || cookie.Reveal() != "klsdf9034jklsdf#$ " {
		t.Error("the files are not read")
	}
}

func TestHarmlessMistakesAreWarnedOf(t *testing.T) {
	for env, want := range map[string]string{
		"AUTH0_DOMAIN=myCoolDomain": `.env:5: AUTH0_DOMAIN: found "mycooldomain", which has no dot`,
		"SHINY_PROT=1":              ".env:5: SHINY_PROT is no setting, do you mean SHINY_PORT?",
		"PORT=80 # web":             `.env:5: PORT: found "80 # web", took 80`,
		"PORT=80\nLISTEN=:1":        "LISTEN (.env LISTEN) has no effect: PORT (.env PORT) wins",
		"PUBLIC_URL=http://h":       "people come to http://h: passwords and session cookies travel unencrypted",
		"PUBLIC_URL=https://h\nAUTH0_CALLBACK_URL=https://i/callback": "are of different origins",
		"PORT=8080":                          "neither PUBLIC_URL nor AUTH0_CALLBACK_URL is set",
		"AUTH0_ISSUER_URL=https://other.org": "AUTH0_DOMAIN (.env AUTH0_DOMAIN) has no effect",
	} {
		s := mustLoad(t, login+good+env, "")
		if !slices.ContainsFunc(s.Warnings(), func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("%s: %q", env, s.Warnings())
		}
	}
	quiet := mustLoad(t, login+good+"NODE_ENV=production\nPUBLIC_URL=https://h\n", "")
	if len(quiet.Warnings()) > 0 {
		t.Error(quiet.Warnings())
	}
}

func TestReportShowsWhatIsInForceAndNoSecret(t *testing.T) {
	s := mustLoad(t, login+"COOKIE_SECRET=topsecretcookie1234\nSHINY_SHARED_SECRET=topsecretshared\nPUBLIC_URL=https://apps.example.org\n",
		"session:\n  idle: 1h\n")
	var b bytes.Buffer
	if err := s.Report(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if strings.Contains(got, "topsecret") {
		t.Error("a secret is shown")
	}
	for _, want := range []string{
		"AUTH0_DOMAIN             a.auth0.com                        .env AUTH0_DOMAIN\n",
		"AUTH0_CLIENT_SECRET      (hidden)", "SESSION_IDLE             1h", "fastproxy.yml:2\n",
		"https://apps.example.org/callback", "127.0.0.1:3000, [::1]:3000", "carried by", "at most", "two descriptors each", "https://a.auth0.com/\n",
		"__Host-fastproxy_session, sealed with COOKIE_SECRET", "/reports/", "signed_in", "/admin/ is closed. To open it: ADMIN_USERS=",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestTableHasEverySettingOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range new(Settings).Table() {
		if row.Meaning == "" || len(row.Variables) == 0 && row.Key != "mounts" {
			t.Errorf("%+v", row)
		}
		for _, name := range append(slices.Clone(row.Variables), row.Key) {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
	for _, name := range strings.Fields(`AUTH0_DOMAIN AUTH0_CLIENT_ID AUTH0_CLIENT_SECRET AUTH0_CALLBACK_URL AUTH0_GROUPS_CLAIM AUTH0_AUDIENCE
		AUTH0_LOGOUT_URL LOGOUT_URL LOGOUT_AUTH0 LOGOUT_FEDERATED FEDERATED CHECK_SESSION COOKIE_SECRET SHINY_HOST SHINY_PORT SHINY_ADMIN_PORT PORT
		LISTEN PUBLIC_URL ALLOWED_ORIGINS AUTH0_ISSUER_URL AUTHORIZE_AUDIENCE AUTHORIZE_ORGANIZATION AUTHORIZE_CONNECTION AUTHORIZE_PARAMS
		AUTH_PASSWD_FILE AUTH_GROUPS_FILE SESSION_IDLE SESSION_MAX COOKIE_SECRET_PREVIOUS COOKIE_SAMESITE ADMIN_USERS ADMIN_GROUPS TRUSTED_PROXIES
		SHINY_SHARED_SECRET UPSTREAM_HEADER_TIMEOUT STATE_DIR OPS_LISTEN CONTROL_SOCKET ENGINE LOOPS MAX_CONNECTIONS REUSE_PORT LOG_LEVEL LOG_FILE REDIS_URL TLS_CERT_FILE TLS_KEY_FILE
		AUTH0_CLIENT_SECRET_FILE COOKIE_SECRET_FILE COOKIE_SECRET_PREVIOUS_FILE SHINY_SHARED_SECRET_FILE`) {
		if !seen[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
	if table := SettingsMarkdown(); strings.Count(table, "\n") != len(new(Settings).Table())+2 {
		t.Error(table)
	}
}
