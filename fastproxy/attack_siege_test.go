//go:build linux

package fastproxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/passwd"
)

// siege is a running fastproxy under attack, and the Shiny behind it, which
// writes down what reaches it.
type siege struct {
	*proxy
	t     testing.TB
	shiny *witness
}

// People of the flat file; scrypt as cheap as it goes.
const (
	kimName     = "passwd:kim" // as rules and the session page have it
	kimPassword = "correct horse"
	samName     = "passwd:sam"
	samPassword = "battery staple"
)

// besiege starts fastproxy with these settings, and kim and sam in its flat
// file unless the settings bring a login of their own.
func besiege(t testing.TB, bin binaries, s settings, yaml string) *siege {
	t.Helper()
	g := newSiege(t, bin)
	g.begin(s, yaml)
	return g
}

// newSiege prepares one that is not yet running: its port has to be known to
// an issuer first.
func newSiege(t testing.TB, bin binaries) *siege {
	t.Helper()
	return &siege{proxy: newProxy(t, bin), t: t, shiny: startWitness(t, nil)}
}

func (g *siege) begin(s settings, yaml string) {
	g.t.Helper()
	g.prepare(s, yaml)
	g.run(g.t)
	g.awaitReady(g.t)
}

// prepare writes the settings of begin.
func (g *siege) prepare(s settings, yaml string) {
	g.t.Helper()
	all := settings{"PUBLIC_URL": g.origin, "COOKIE_SECRET": ""}.and(s) // a key of its own is quicker
	if all["AUTH_PASSWD_FILE"] == "" && all["AUTH0_ISSUER_URL"] == "" {
		all["AUTH_PASSWD_FILE"] = g.writePasswd(g.t, "kim", kimPassword, "sam", samPassword)
	}
	nowhere := &shinyApp{port: freePort(g.t)} // /admin/ is of no use here
	g.write(g.t, &world{app: &shinyApp{port: g.shiny.port}, admin: nowhere}, all, yaml)
}

// writePasswd writes a flat file of names and passwords by turns.
func (p *proxy) writePasswd(t testing.TB, pairs ...string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s:%s\n", pairs[i], passwd.NewHash([]byte(pairs[i+1]), 10).Encode())
	}
	file := filepath.Join(p.dir, "passwd")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// buildPlain builds fastproxy as it is shipped: without the race detector,
// whose shadow memory would be all that a measurement sees.
func buildPlain(t testing.TB) binaries {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/fastproxy")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binaries{fastproxy: filepath.Join(dir, "fastproxy")}
}

// witness is a Shiny that remembers the first line of every request it gets,
// and the header of the last.
type witness struct {
	port   int
	answer http.HandlerFunc // set before the first request

	mu   sync.Mutex
	seen []string
	last http.Header
}

// startWitness answers by answer, or "ok" to everything where that is nil.
func startWitness(t testing.TB, answer http.HandlerFunc) *witness {
	w := &witness{answer: answer}
	if answer == nil {
		w.answer = func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "ok") }
	}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r.Method+" "+r.RequestURI)
		w.last = r.Header.Clone()
		w.mu.Unlock()
		w.answer(rw, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	w.port = srv.Listener.Addr().(*net.TCPAddr).Port
	return w
}

// take returns what arrived since the last take.
func (w *witness) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

// header returns the header of the last request.
func (w *witness) header() http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// signedIn is a browser of kim's or sam's, signed in.
func (g *siege) signedIn(user, password string) *guest {
	g.t.Helper()
	b := g.guest()
	if res, page := b.signIn(user, password); res.StatusCode != http.StatusSeeOther {
		g.t.Fatalf("signing %s in: %s\n%s", user, res.Status, page)
	}
	return b
}

// dial opens a connection of bare bytes.
func (g *siege) dial() net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.listen)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// host is what a browser writes into Host.
func (p *proxy) host() string { return strings.TrimPrefix(p.origin, "http://") }

// raw sends bytes on a connection of its own and reads the first answer; nil
// if the proxy closed without one.
func (g *siege) raw(request string) (*http.Response, string) {
	g.t.Helper()
	c := g.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		g.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res, string(body)
}
