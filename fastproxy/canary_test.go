package fastproxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
	"fastproxy/fastproxy/passwd"
)

// canaries are marked credentials, by name, with the sinks where each may be.
type canaries struct {
	t     testing.TB
	marks map[string]string
	may   map[string][]string

	mu    sync.Mutex
	sinks map[string]*strings.Builder
}

func (c *canaries) mark(name, value string, may ...string) string {
	c.t.Helper()
	if len(value) < 8 {
		c.t.Fatalf("%s is too short to be found: %q", name, value)
	}
	c.marks[name], c.may[name] = value, may
	return value
}

func (c *canaries) pour(sink, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sinks[sink] == nil {
		c.sinks[sink] = new(strings.Builder)
	}
	c.sinks[sink].WriteString(text)
}

// sink is where bytes are poured as they come.
type sink struct {
	c    *canaries
	name string
}

func (s sink) Write(b []byte) (int, error) {
	s.c.pour(s.name, string(b))
	return len(b), nil
}

// search reports every mark in every sink where it must not be, as it is,
// escaped for a URL, and in base64.
func (c *canaries) search() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sink := range []string{"log", "pages", "metrics", "control", "disk", "shiny", "terminal"} {
		if c.sinks[sink] == nil || c.sinks[sink].Len() < 100 {
			c.t.Errorf("nothing was poured into %s", sink)
		}
	}
	for name, value := range c.marks {
		for sink, b := range c.sinks {
			if slices.Contains(c.may[name], sink) {
				continue
			}
			for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value), strings.Trim(base64.StdEncoding.EncodeToString([]byte(value))[:len(value)], "=")} {
				if i := strings.Index(b.String(), form); i >= 0 {
					text := b.String()
					c.t.Errorf("%s is in %s: …%q…", name, sink, text[max(0, i-300):min(len(text), i+60)])
					break
				}
			}
		}
	}
}

// seen pours an answer into the pages: all but the cookies that it sets.
func (c *canaries) seen(a reply) reply {
	h := a.Header.Clone()
	h.Del("Set-Cookie")
	c.pour("pages", fmt.Sprint(h)+a.body)
	return a
}

const shinyToken = "c0ffee00c0ffee11c0ffee22c0ffee33"

// startMarkedShiny serves a Shiny that says nonsense at garbage, speaks
// WebSocket, and pours all that it hears.
func (c *canaries) startMarkedShiny(t testing.TB) *backend {
	return startBackend(t, func(nc net.Conn) {
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		in := bufio.NewReader(io.TeeReader(nc, sink{c, "shiny"}))
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			switch {
			case r.Header.Get("Upgrade") != "":
				io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
				io.Copy(io.Discard, in)
				return
			case strings.Contains(r.URL.Path, "garbage"):
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nSet-Cookie: a="+c.marks["cookie of Shiny's"]+"\r\n folded: "+c.marks["cookie of Shiny's"]+"\r\n\r\n")
				return
			}
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

// TestNoCredentialLeaks signs people in and out in every way, goes wrong in
// every way, and then looks for what was secret wherever the proxy writes.
func TestNoCredentialLeaks(t *testing.T) {
	c := &canaries{t: t, marks: map[string]string{}, may: map[string][]string{}, sinks: map[string]*strings.Builder{}}
	h := c.build(t)
	control := h.current.Load().settings.ControlPath()

	c.signsInAtAuth0(t, h)
	c.signInGoesWrong(t, h)
	c.signsInWithPassword(t, h)
	c.bearers(h)
	c.refusedHeads(h)
	c.panics(t, h)
	h.auth0.close()
	c.seen(h.browser().visit("/login?with=issuer&return_to=/reports/x?q=" + c.marks["query"]))

	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		c.pour("metrics", get(t, "tcp", h.Proxy.ops.Addr().String(), path))
	}
	for _, path := range []string{"/sessions", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/symbol"} {
		c.pour("control", get(t, "unix", control, path))
	}
	c.pour("disk", filesIn(t, h.env["STATE_DIR"]))
	h.Proxy.log.Close(context.Background()) // writes what waits
	c.pour("log", h.testProxy.log.String())
	for _, name := range []string{"client secret", "session cookie", "state cookie", "form cookie", "code", "access token", "ID token", "bearer token"} {
		if c.marks[name] == "" {
			t.Errorf("there was no %s to find", name)
		}
	}
	c.search()
}

// build starts a house whose every setting that is secret is marked.
func (c *canaries) build(t *testing.T) *house {
	c.mark("query", "canary-query-8f3a", "shiny", "pages")
	c.mark("cookie of Shiny's", "canary-shiny-cookie-1")
	c.mark("Shiny's session token", shinyToken, "shiny")
	c.mark("robust id", "canaryrobust012345", "shiny")
	c.mark("another's cookie", "canary-other-cookie", "shiny")
	c.mark("Basic credentials", "Y2FuYXJ5OmJhc2lj", "shiny")
	hash := passwd.NewHash([]byte(c.mark("password", "canary-right-password")), 10).Encode()
	c.mark("password hash", strings.TrimPrefix(hash, "{scrypt}"))
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte("kim:"+hash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.startMarkedShiny(t).l.Addr().String())
	_, adminPort, _ := net.SplitHostPort(c.startMarkedShiny(t).l.Addr().String())
	h := build(t, plan{
		env: map[string]string{"SHINY_HOST": "127.0.0.1", "SHINY_PORT": port, "SHINY_ADMIN_PORT": adminPort, "ADMIN_USERS": "shiny@clients", "AUTH_PASSWD_FILE": file, "AUTH0_AUDIENCE": "https://api.test",
			"COOKIE_SECRET":          c.mark("cookie secret", "canary-cookie-secret-4711"),
			"SHINY_SHARED_SECRET":    c.mark("shared secret", "canary-shared-secret", "shiny"),
			"AUTH0_CLIENT_SECRET":    c.mark("client secret", "canary-client-secret"),
			"COOKIE_SECRET_PREVIOUS": c.mark("previous cookie secret", "canary-previous-secret-4711")},
		auth0: func(o *demo.Auth0Options) {
			o.ClientSecret, o.Audiences = c.marks["client secret"], []string{"https://api.test"}
		},
	})
	h.auth0.meddle(c.overhear)
	var terminal bytes.Buffer
	h.Greet(&terminal)
	h.LogStart("test")
	if err := h.current.Load().settings.Report(&terminal); err != nil {
		t.Fatal(err)
	}
	CheckOnline(context.Background(), h.current.Load().settings, &terminal)
	set := h.current.Load().settings
	fmt.Fprintf(&terminal, "%v %+v %#v", set.Auth0, *set, set.Shiny)
	c.pour("terminal", terminal.String())
	return h
}

// overhear marks the tokens that the issuer answers with.
func (c *canaries) overhear(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
	if r.URL.Path != "/oauth/token" {
		return false
	}
	rec := record(honest, r)
	var v struct{ ID_Token, Access_Token string }
	if json.Unmarshal(rec.Body.Bytes(), &v) == nil && v.ID_Token != "" && c.marks["ID token"] == "" {
		c.mark("ID token", v.ID_Token)
		c.mark("access token", v.Access_Token)
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
	return true
}

// get asks one of the operators' servers.
func get(t testing.TB, network, addr, path string) string {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}}
	resp, err := client.Get("http://ops" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return path + "\n" + string(b)
}

// filesIn returns what is on disk, and fails if others may read it.
func filesIn(t testing.TB, dir string) (all string) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if st.Mode().Perm()&0o077 != 0 && name != dir {
			t.Errorf("%s: %v: others may read it", name, st.Mode())
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(name)
		all += name + "\n" + string(b) + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
