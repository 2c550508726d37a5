package fastproxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeIssuer answers discovery with change applied to a good document.
func fakeIssuer(t *testing.T, change func(doc, keys string, w http.ResponseWriter) (string, string)) string {
	t.Helper()
	var url string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doc := fmt.Sprintf(`{"issuer":"%[1]s/","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/oauth/token","jwks_uri":"%[1]s/jwks",
			"end_session_endpoint":"%[1]s/oidc/logout","id_token_signing_alg_values_supported":["HS256","RS256"],"code_challenge_methods_supported":["S256","plain"]}`, url)
		keys := `{"keys":[{"kty":"RSA","kid":"a","use":"sig","e":"AQAB","n":"` + strings.Repeat("_", 342) + `"},{"kty":"oct","kid":"b","k":"x"}]}`
		if change != nil {
			doc, keys = change(doc, keys, w)
		}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprint(w, doc)
		case "/jwks":
			fmt.Fprint(w, keys)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	url = srv.URL
	return url + "/"
}

// fakeShiny answers each path with a body; others are 404.
func fakeShiny(t *testing.T, status int, bodies map[string]string) (port string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if want := bodies["secret"]; want != "" && r.Header.Get("Shiny-Shared-Secret") != want {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	_, port, _ = net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
	return port
}

const shinyPage = `<html><head><script type="application/shiny-singletons"></script></head></html>`

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func checkOnline(t *testing.T, env string) (out string, err error) {
	t.Helper()
	s := mustLoad(t, good+"SHINY_HOST=127.0.0.1\nAUTH0_CLIENT_ID=i\nAUTH0_CLIENT_SECRET=topsecret\n"+env, "")
	var b bytes.Buffer
	err = CheckOnline(context.Background(), s, &b)
	if strings.Contains(b.String(), "topsecret") {
		t.Error("a secret is shown")
	}
	return b.String(), err
}

func TestCheckOnlineOfGoodSettings(t *testing.T) {
	shiny := fakeShiny(t, 200, map[string]string{"/": shinyPage})
	issuer := fakeIssuer(t, nil)
	out, err := checkOnline(t, "SHINY_PORT="+shiny+"\nSHINY_ADMIN_PORT="+closedPort(t)+"\nPUBLIC_URL=https://apps.example.org\nAUTH0_ISSUER_URL="+issuer)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"ok     issuer: " + issuer + " names itself exactly so\n", "ok     RS256: ", "ok     keys: 1 for RS256 or ES256\n", "ok     clock: within 1s",
		"ok     http://127.0.0.1:" + shiny + " (/reports/): plain R (runApp)", "note   http://127.0.0.1:", "nobody is let in there anyway",
		"proxy_pass http://127.0.0.1:3000;", "server_name apps.example.org;", "listen 443 ssl;",
		"Allowed Callback URLs  https://apps.example.org/callback\n", "Allowed Logout URLs    https://apps.example.org/callback\n", "Allowed Web Origins    https://apps.example.org\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestCheckOnlineSaysWhatIsWrongAtTheIssuer(t *testing.T) {
	shiny := fakeShiny(t, 200, map[string]string{"/ping": "OK"})
	swap := func(old, new string) func(string, string, http.ResponseWriter) (string, string) {
		return func(doc, keys string, _ http.ResponseWriter) (string, string) {
			return strings.ReplaceAll(doc, old, new), strings.ReplaceAll(keys, old, new)
		}
	}
	for _, c := range []struct {
		name, want string
		change     func(string, string, http.ResponseWriter) (string, string)
	}{
		{"slash", `names itself "http://127.0.0.1`, swap(`/","authorization`, `","authorization`)},
		{"HS256", "RS256: the issuer signs with HS256 only, want RS256", swap(`"HS256","RS256"`, `"HS256"`)},
		{"PKCE", "PKCE: the issuer takes plain, plain only, want S256", swap(`S256","plain"`, `plain","plain"`)},
		{"plain http", `issuer: token_endpoint is "http://evil.example/", want an https URL`, func(d, k string, _ http.ResponseWriter) (string, string) {
			return `{"issuer":"x","authorization_endpoint":"https://h/","token_endpoint":"http://evil.example/","id_token_signing_alg_values_supported":["RS256"]}`, k
		}},
		{"no keys", "has no key for RS256 or ES256", swap(`"kty":"RSA"`, `"kty":"OKP"`)},
		{"short keys", "has no key for RS256 or ES256", swap(strings.Repeat("_", 342), strings.Repeat("_", 171))},
		{"no JSON", "is not the JSON of OpenID Connect Discovery", func(string, string, http.ResponseWriter) (string, string) { return "<html>", "" }},
		{"404", "answers 404, want 200: is AUTH0_ISSUER_URL right?", func(_, _ string, w http.ResponseWriter) (string, string) { w.WriteHeader(404); return "", "" }},
		{"clock", "behind the issuer, want less than 30s", func(d, k string, w http.ResponseWriter) (string, string) {
			w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
			return d, k
		}},
		{"terminal", `names itself "\x1b[2Jx"`, swap(`"issuer":"`, `"issuer":"\u001b[2Jx","i":"`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := checkOnline(t, "SHINY_PORT="+shiny+"\nAUTH0_ISSUER_URL="+fakeIssuer(t, c.change))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(out, "  wrong  ") || strings.Contains(out, "\x1b") {
				t.Errorf("want %q\n%v\n%s", c.want, err, out)
			}
		})
	}
	if _, err := checkOnline(t, "SHINY_PORT="+shiny+"\nAUTH0_ISSUER_URL=http://127.0.0.1:"+closedPort(t)+"/"); err == nil || !strings.Contains(err.Error(), "cannot be reached: dial tcp 127.0.0.1") {
		t.Error(err)
	}
}

func TestCheckOnlineTellsShinyKinds(t *testing.T) {
	issuer := "\nAUTH0_ISSUER_URL=" + fakeIssuer(t, nil)
	for _, c := range []struct {
		name, want, env string
		status          int
		bodies          map[string]string
		wrong           bool
	}{
		{"open source", "Shiny Server, open source", "", 200, map[string]string{"/ping": "OK\n", "/": "<html>Welcome"}, false},
		{"Pro", "Shiny Server Pro", "", 200, map[string]string{"/__health-check__": "server-last-heartbeat: 2", "/": "x"}, false},
		{"plain", "plain R (runApp)", "", 200, map[string]string{"/": shinyPage}, false},
		{"plain, any path", "plain R (runApp)", "", 200, map[string]string{"/": shinyPage, "/ping": shinyPage, "/__health-check__": shinyPage}, false},
		{"shared secret", "plain R (runApp)", "SHINY_SHARED_SECRET=abc\n", 200, map[string]string{"/": shinyPage, "secret": "abc"}, false},
		{"other secret", "is SHINY_SHARED_SECRET its shiny.sharedSecret?", "SHINY_SHARED_SECRET=abd\n", 200, map[string]string{"/": shinyPage, "secret": "abc"}, true},
		{"no secret", "does it want SHINY_SHARED_SECRET?", "", 200, map[string]string{"/": shinyPage, "secret": "abc"}, true},
		{"broken", "it answers Internal Server Error", "", 500, map[string]string{"/": "x"}, true},
		{"something else", "not as the Shiny we know", "", 200, map[string]string{"/": "x"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := checkOnline(t, c.env+"SHINY_PORT="+fakeShiny(t, c.status, c.bodies)+issuer)
			if (err != nil) != c.wrong || !strings.Contains(out, c.want) {
				t.Errorf("want %q\n%v\n%s", c.want, err, out)
			}
		})
	}
	closed := closedPort(t)
	if _, err := checkOnline(t, "SHINY_PORT="+closed+issuer); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:"+closed+" (/reports/): cannot be reached") {
		t.Error(err)
	}
	if _, err := checkOnline(t, "SHINY_PORT="+closed+"\nSHINY_ADMIN_PORT="+closed+issuer); err == nil {
		t.Error("a Shiny that /reports/ needs is excused because /admin/ is closed")
	}
}

// TestNginxTakesTheBlock asks nginx itself.
func TestNginxTakesTheBlock(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	selfSigned(t, dir)
	for name, env := range map[string]string{
		"https": "PUBLIC_URL=https://apps.example.org", "port": "PUBLIC_URL=https://apps.example.org:8443\nPORT=3000",
		"plain": "PUBLIC_URL=http://apps.example.org", "straight": "", "socket": "PORT=/run/fastproxy.sock\nPUBLIC_URL=https://apps.example.org", "v6": "LISTEN=[::1]:3000\nPUBLIC_URL=http://[2001:db8::1]",
	} {
		block := mustLoad(t, login+good+env, "").nginxBlock()
		block = strings.ReplaceAll(block, "/etc/letsencrypt/live/apps.example.org", dir)
		conf := filepath.Join(dir, name+".conf")
		text := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + block + "}\n"
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(nginx, "-t", "-p", dir, "-c", conf).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, block)
		}
	}
}

func selfSigned(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"fullchain.pem": {Type: "CERTIFICATE", Bytes: cert}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
