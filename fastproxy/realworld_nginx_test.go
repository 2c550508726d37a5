//go:build linux

package fastproxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// adapted is a deployment file with its names and ports changed for a test;
// each change must find what it changes, so the file is tested as it is.
func adapted(t testing.TB, file string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	s := string(text)
	for n := 0; n < len(changes); n += 2 {
		if !strings.Contains(s, changes[n]) {
			t.Fatalf("deploy/%s has no %q", file, changes[n])
		}
		s = strings.ReplaceAll(s, changes[n], changes[n+1])
	}
	return s
}

// frontServer is a real nginx with deploy/nginx.conf in front of backend.
type frontServer struct {
	*child
	plain, tls int // ports
}

func startNginx(t testing.TB, backend string) *frontServer {
	t.Helper()
	nginx := need(t, "nginx")
	version, err := exec.Command(nginx, "-v").CombinedOutput()
	if err != nil {
		t.Fatalf("nginx -v: %v", err)
	}
	t.Log(strings.TrimSpace(string(version)))
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers run as somebody else
		t.Fatal(err)
	}
	writeCertificate(t, dir)
	f := &frontServer{plain: freePort(t), tls: freePort(t)}
	site := adapted(t, "nginx.conf",
		"server 127.0.0.1:3000;", "server "+backend+";",
		"listen [::]:80;", "",
		"listen [::]:443 ssl http2;", "",
		"listen 80;", fmt.Sprintf("listen 127.0.0.1:%d;", f.plain),
		"listen 443 ssl http2;", fmt.Sprintf("listen 127.0.0.1:%d ssl http2;", f.tls),
		"https://$host$request_uri", fmt.Sprintf("https://$host:%d$request_uri", f.tls),
		"server_name shiny.example.com;", "server_name localhost;",
		"/etc/ssl/fastproxy/", dir+"/",
		"/var/log/nginx/fastproxy.log", dir+"/access.log")
	main := fmt.Sprintf(`daemon off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    include %[1]s/fastproxy.conf;
}
`, dir)
	for name, text := range map[string]string{"nginx.conf": main, "fastproxy.conf": site} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	if out, err := exec.Command(nginx, "-t", "-q", "-e", "stderr", "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	} else if len(out) > 0 {
		t.Logf("nginx -t: %s", out) // a newer nginx would have http2 on a line of its own
	}
	f.child = start(t, "nginx", exec.Command(nginx, "-e", "stderr", "-c", conf))
	eventually(t, "nginx to listen", func() error {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.tls))
		if err == nil {
			c.Close()
		}
		return err
	})
	return f
}

func writeCertificate(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"fullchain.pem": {Type: "CERTIFICATE", Bytes: cert},
		"privkey.pem":   {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// behindNginx has everything go through TLS and deploy/nginx.conf.
func (w *world) behindNginx(t *testing.T) {
	p := newProxy(t, w.bin)
	front := startNginx(t, p.listen)
	p.origin = fmt.Sprint("https://localhost:", front.tls)
	i := startIssuer(t, 0, application("shiny", p.origin))
	p.serve(t, w, auth0(i, "shiny", p.origin), "")

	kim := w.browser.open(t, "kim", args{"extraHTTPHeaders": map[string]string{"X-Forwarded-For": "6.6.6.6"}})
	kim.visit(fmt.Sprintf("http://localhost:%d/reports/?_inputs_&n=33", front.plain))
	i.signIn(kim, "kim")
	if got, want := kim.arrive(p.origin), p.origin+"/reports/?_inputs_&n=33"; got != want {
		t.Errorf("from plain http, and signed in, %s, want %s", got, want)
	}
	sees(kim, i.sub("kim"))
	usesTheApp(kim, p.origin+"/reports/")
	for _, place := range []string{"#page_headers", "#socket_headers"} {
		told := headersOf(kim.text(place))
		expectHeaders(t, place, told, "HTTP_X_FORWARDED_PROTO: https", "HTTP_X_FORWARDED_FOR: 127.0.0.1",
			fmt.Sprint("HTTP_X_FORWARDED_HOST: localhost:", front.tls))
		expectNone(t, place, told, "6.6.6.6")
	}
	var session []cookie
	for _, c := range kim.cookies() {
		if strings.Contains(c.Name, "fastproxy_session") {
			session = append(session, c)
		}
	}
	if len(session) != 1 || !strings.HasPrefix(session[0].Name, "__Host-") || !session[0].Secure || !session[0].HTTPOnly || session[0].SameSite != "Lax" || session[0].Path != "/" {
		t.Errorf("the session's cookies are %+v; want one, __Host-, Secure, HttpOnly, Lax, Path=/", session)
	}
	kim.click("#signout")
	kim.arrive(p.origin + "/callback")
	kim.await("body", "igned out")
}
