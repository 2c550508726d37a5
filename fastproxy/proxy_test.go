package fastproxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zapcore"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/session"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("time.Sleep"), // fasthttp's clock for Date; nothing of ours sleeps
	)
}

// testProxy is a proxy on real sockets, with its log in memory.
type testProxy struct {
	*Proxy
	addr string
	log  *logBuffer
	stop func() // ends it, and waits; the test's end does so too
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startProxy runs a proxy with the given variables, and YAML if any, until the
// test ends.
func startProxy(t testing.TB, env map[string]string, yaml string) *testProxy {
	t.Helper()
	return startProxyWith(t, env, yaml, nil)
}

// startProxyWith lets adjust, if not nil, change the proxy before it runs. A
// variable that is set to "" counts as not set: without COOKIE_SECRET a proxy
// starts faster.
func startProxyWith(t testing.TB, env map[string]string, yaml string, adjust func(*Proxy)) *testProxy {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"LISTEN": "127.0.0.1:0", "OPS_LISTEN": "127.0.0.1:0", "STATE_DIR": filepath.Join(dir, "state"),
		"COOKIE_SECRET": "a secret of this test only, 4711",
		"ENGINE":        os.Getenv("FASTPROXY_TEST_ENGINE"), // make test runs the tests of the road itself over both
	}
	for k, v := range env {
		all[k] = v
	}
	var environ []string
	for k, v := range all {
		environ = append(environ, k+"="+v)
	}
	if yaml != "" {
		if err := os.WriteFile(filepath.Join(dir, "fastproxy.yml"), []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all["AUTH_PASSWD_FILE"] == "" && all["AUTH0_ISSUER_URL"] == "" && all["AUTH0_DOMAIN"] == "" {
		// tina of facts' vectors: logN 10, so that a sign-in is quick.
		file := filepath.Join(dir, "passwd")
		if err := os.WriteFile(file, []byte(tinaLine+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, "AUTH_PASSWD_FILE="+file)
	}
	set, err := LoadSettings(SourceFlags{Dir: dir, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	buf := &logBuffer{}
	log := audit.New(buf, zapcore.DebugLevel)
	p, err := New(set, log)
	if err != nil {
		t.Fatal(err)
	}
	if adjust != nil {
		adjust(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		log.Close(context.Background())
		if t.Failed() {
			t.Logf("log:\n%s", buf)
		}
	})
	return &testProxy{Proxy: p, addr: p.Addrs()[0].String(), log: buf, stop: stop}
}

const (
	tinaLine     = "tina:{scrypt}c2NyeXB0AAoAAAAIAAAAAddlGk/9vYzwyuFWB30hzWWZgYgx40Ub104gbU8kRzOHYgmQo1qpxtfy2kkk+S/o4UgcRiTEVUOu3HKQY9O18NzM8oN4dn/saonYvXyNIgIC"
	tinaPassword = "pässwörd-日本"
)

// cookieFor returns a Cookie header's value that signs a principal in, as a
// sign-in just now would have set it.
func (p *testProxy) cookieFor(t testing.TB, who identity.Principal) string {
	t.Helper()
	s := p.current.Load()
	v := session.New(who, time.Now(), s.sessionMax)
	if who.Method == identity.MethodPasswd {
		v.Line, _ = p.passwd.Fingerprint(who.Subject)
	}
	cookie := p.cookieOf(t, &v)
	p.remind(t, cookie)
	return cookie
}

// remind has the gate remember a cookie, so that the first request with it may
// be a lane's.
func (p *testProxy) remind(t testing.TB, cookie string) {
	t.Helper()
	s := p.current.Load()
	req := gate.Request{Now: time.Now(), Rule: &policy.Rule{SignedIn: true}}
	for pair := range strings.SplitSeq(cookie, "; ") {
		_, value, _ := strings.Cut(pair, "=")
		req.Cookies[req.NumCookies] = []byte(value)
		req.NumCookies++
	}
	if s.gate.Decide(t.Context(), &req).Verdict != gate.Allow {
		return
	}
	for end := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
		if _, known := s.gate.Recall(&req); known {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the gate remembers nobody")
		}
		s.gate.Decide(t.Context(), &req) // what is remembered may be dropped
	}
}

func (p *testProxy) cookieOf(t testing.TB, v *session.Session) string {
	t.Helper()
	s := p.current.Load()
	values, err := s.sealer.Seal(v)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for i, value := range values {
		pairs = append(pairs, s.names.session[i]+"="+value)
	}
	return strings.Join(pairs, "; ")
}

// tina returns a Cookie value of the flat file's only user.
func (p *testProxy) tina(t testing.TB) string {
	return p.cookieFor(t, identity.FromPasswd("tina", nil))
}

// roundTrip sends raw bytes on a new connection and returns all that comes
// back until the proxy closes it; requests say "Connection: close".
func (p *testProxy) roundTrip(t testing.TB, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil && len(b) == 0 {
		t.Fatalf("read answer: %v", err)
	}
	return string(b)
}

// backend is a Shiny that a test scripts: each connection goes to its handler,
// which owns it.
type backend struct {
	l    net.Listener
	done sync.WaitGroup
}

func startBackend(t testing.TB, handle func(net.Conn)) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{l: l}
	b.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.done.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.done.Wait()
	})
	return b
}

// env returns the variables that put a proxy in front of b.
func (b *backend) env() map[string]string {
	host, port, _ := net.SplitHostPort(b.l.Addr().String())
	return map[string]string{"SHINY_HOST": host, "SHINY_PORT": port}
}
