//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
)

// binary is fastproxy itself, built as it is shipped.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fastproxy-test-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "fastproxy")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// command is a call in a directory of its own, with nothing of this machine's
// environment but what programs need.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(binary, args...)
	c.Dir = dir
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}, env...)
	return c
}

// call runs it to its end.
func call(t *testing.T, dir string, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	c := command(t, dir, env, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// running is one that goes on.
type running struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *screen
	done chan struct{}
}

// screen is what it printed so far.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, c *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, cmd: c, out: &screen{}, done: make(chan struct{})}
	if c.Stdout == nil {
		c.Stdout = r.out
	}
	if c.Stderr == nil {
		c.Stderr = r.out
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Wait()
		close(r.done)
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		<-r.done
		if t.Failed() {
			t.Logf("it printed:\n%s", r.out)
		}
	})
	return r
}

// end sends a signal and returns the exit status.
func (r *running) end(s os.Signal) int {
	r.t.Helper()
	r.cmd.Process.Signal(s)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("%v did not end it", s)
	}
	return r.cmd.ProcessState.ExitCode()
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// find waits for something it prints.
func (r *running) find(pattern string) string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	await(r.t, pattern, func() bool {
		select {
		case <-r.done:
			if found = re.FindStringSubmatch(r.out.String()); found == nil {
				r.t.Fatalf("it ended with status %d and without %s", r.cmd.ProcessState.ExitCode(), pattern)
			}
		default:
			found = re.FindStringSubmatch(r.out.String())
		}
		return found != nil
	})
	return found[len(found)-1]
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const tina = "tina:{scrypt}c2NyeXB0AAoAAAAIAAAAAddlGk/9vYzwyuFWB30hzWWZgYgx40Ub104gbU8kRzOHYgmQo1qpxtfy2kkk+S/o4UgcRiTEVUOu3HKQY9O18NzM8oN4dn/saonYvXyNIgIC\n"

// house is a directory with a flat file, and what serve needs besides.
func house(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "passwd"), tina)
	return dir, []string{"AUTH_PASSWD_FILE=passwd", "STATE_DIR=" + filepath.Join(dir, "state"), "OPS_LISTEN=127.0.0.1:0"}
}

func TestExitStatusSaysWhatWentWrong(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	good, env := house(t)
	bad := t.TempDir()
	write(t, filepath.Join(bad, ".env"), "AUTH0_DOMAIN=example.eu.auth0.com\nSHINY_PORT=many\n")
	typo := t.TempDir()
	write(t, filepath.Join(typo, "passwd"), "# people\ntina:secret\n")
	for _, c := range []struct {
		name   string
		dir    string
		env    []string
		args   string
		status int
		stdout string
		stderr string
	}{
		{"version", good, nil, "version", 0, "fastproxy ", ""},
		{"help", good, nil, "--help", 0, "serve", ""},
		{"help of a command", good, nil, "serve --help", 0, "--listen", ""},
		{"no command", good, nil, "", 2, "", "expected one of"},
		{"unknown command", good, nil, "server", 2, "", "unexpected argument"},
		{"unknown flag", good, nil, "serve --port 3", 2, "", "unknown flag"},
		{"good settings", good, env, "check", 0, "who may enter", ""},
		{"no settings", t.TempDir(), nil, "check", 2, "", "found no way to sign in"},
		{"bad settings, checked", bad, nil, "check", 2, "", `.env:2: SHINY_PORT: found "many", want a port number`},
		{"bad settings, served", bad, nil, "serve", 2, "", `.env:2: SHINY_PORT: found "many", want a port number`},
		{"bad flat file, checked", typo, env, "check", 2, "", "passwd:2: found"},
		{"bad flat file, served", typo, env, "serve", 2, "", "passwd:2: found"},
		{"named file that is not there", good, env, "serve --config nowhere.yml", 2, "", "nowhere.yml"},
		{"log that cannot be opened", good, append([]string{"LOG_FILE=/nowhere/log"}, env...), "serve", 2, "", "LOG_FILE"},
		{"port that is taken", good, env, "serve --listen " + busy.Addr().String(), 1, "", "address already in use"},
		{"state that cannot be", good, append([]string{"LISTEN=127.0.0.1:0"}, append(env, "STATE_DIR="+filepath.Join(good, "passwd", "x"))...), "serve", 1, "", "STATE_DIR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := call(t, c.dir, c.env, strings.Fields(c.args)...)
			if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("status %d, want %d\nstdout: %s\nstderr: %s", status, c.status, stdout, stderr)
			}
			if strings.Contains(stderr, "secret") {
				t.Error("it tells a secret")
			}
		})
	}
}

func TestCheckHidesSecretsAndWarns(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "topsecret of a file\n")
	write(t, filepath.Join(dir, ".env"), "AUTH0_DOMAIN=example.eu.auth0.com\nAUTH0_CLIENT_ID=abc\nAUTH0_CLIENT_SECRET_FILE="+filepath.Join(dir, "secret")+
		"\nCOOKIE_SECRET=somethingRandomHerePlease\nSHINY_SHARED_SECRET=topsecret of shiny\nAUTH0_CALLBACK_URL=https://apps.example.org/callback\n")
	write(t, filepath.Join(dir, "fastproxy.yml"), `mounts:
  - path: /finance/
    upstream: [http://localhost:3838]
    upstream_path: /finance/
    allow: {groups: [Finance]}
`)
	stdout, stderr, status := call(t, dir, nil, "check")
	if status != 0 || strings.Contains(stdout+stderr, "topsecret") || strings.Contains(stdout+stderr, "somethingRandom") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{"known to everybody", "ADMIN_USERS=", "/reports/", "serves the pages of /finance/"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}
}

// TestEnvFileOfTheOriginalWorksUnchanged is for somebody who comes from
// shiny-auth0-plus: the same .env, another program.
func TestEnvFileOfTheOriginalWorksUnchanged(t *testing.T) {
	dir := t.TempDir()
	port := freeTestPort(t)
	origin := "http://localhost:" + port
	tenant := httptest.NewUnstartedServer(nil)
	auth0, err := demo.NewAuth0(demo.Auth0Options{Issuer: "https://" + tenant.Listener.Addr().String() + "/", ClientID: "abc", ClientSecret: "xyz",
		Callbacks: []string{origin + "/callback"}, LogoutURLs: []string{origin + "/callback"}})
	if err != nil {
		t.Fatal(err)
	}
	tenant.Config.Handler = auth0.Handler()
	tenant.StartTLS()
	defer tenant.Close()
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tenant.Certificate().Raw})))
	shiny := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s of %s", r.RequestURI, r.Header.Get("X-Auth0-User-Id"), r.Header.Get("X-Auth0-Groups"))
	}))
	defer shiny.Close()
	_, shinyPort, _ := net.SplitHostPort(shiny.Listener.Addr().String())

	write(t, filepath.Join(dir, ".env"), strings.Join([]string{
		"AUTH0_CLIENT_SECRET=xyz", "AUTH0_CLIENT_ID=abc", "AUTH0_DOMAIN=" + tenant.Listener.Addr().String(),
		"AUTH0_CALLBACK_URL=" + origin + "/callback", "AUTH0_GROUPS_CLAIM=" + strings.TrimSuffix(demo.DefaultGroupsClaim, "/groups"),
		"COOKIE_SECRET=somethingRandomHerePlease", "SHINY_HOST=127.0.0.1", "SHINY_PORT=" + shinyPort, "SHINY_ADMIN_PORT=4151", "PORT=" + port, "NODE_ENV=production", ""}, "\n"))
	r := start(t, command(t, dir, []string{"SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "OPS_LISTEN=127.0.0.1:0"}, "serve"))
	r.find(`"message":"started"`)
	if !strings.Contains(r.out.String(), "known to everybody") {
		t.Error("nobody is warned of the published secret")
	}

	b := newBrowser(t)
	b.client.Transport = tenant.Client().Transport
	page := b.get(origin + "/?x=1")
	if text := b.choose(page, auth0.Issuer(), "kim"); text != "/?x=1 for auth0|kim of Admin" {
		t.Errorf("Shiny's answer: %s", text)
	}
	if status := r.end(syscall.SIGTERM); status != 0 {
		t.Errorf("it ended with status %d", status)
	}
}

func freeTestPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return portOf(l)
}

// browser keeps cookies and follows redirects.
type browser struct {
	t      *testing.T
	client *http.Client
	at     string // where the last page was found
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (b *browser) get(to string) string {
	b.t.Helper()
	r, err := http.NewRequest("GET", to, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) string {
	b.t.Helper()
	r.Header.Set("Accept", "text/html,*/*")
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at = resp.Request.URL.String()
	return string(text)
}

var loginState = regexp.MustCompile(`name="state" value="([^"]+)"`)

// choose clicks on a person on the pocket Auth0's page.
func (b *browser) choose(page, issuer, person string) string {
	b.t.Helper()
	m := loginState.FindStringSubmatch(page)
	if m == nil {
		b.t.Fatalf("no login page at %s: %.500s", b.at, page)
	}
	r, err := http.NewRequest("POST", issuer+"u/login", strings.NewReader(url.Values{"state": {m[1]}, "person": {person}}.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func TestServeLogsAsJSONAndReopensItsFile(t *testing.T) {
	dir, env := house(t)
	file := filepath.Join(dir, "log")
	r := start(t, command(t, dir, append(env, "LOG_FILE="+file), "serve", "--listen", "127.0.0.1:0"))
	started := func() (v struct {
		Listen  []string `json:"fastproxy.listen"`
		Version string   `json:"service.version"`
		Closed  string   `json:"fastproxy.closed"`
	}) {
		await(t, "the start's record", func() bool {
			b, _ := os.ReadFile(file)
			for line := range bytes.Lines(b) {
				if bytes.Contains(line, []byte(`"message":"started"`)) {
					return json.Unmarshal(line, &v) == nil
				}
			}
			return false
		})
		return v
	}()
	if started.Version == "" || len(started.Listen) != 1 || !strings.Contains(started.Closed, "ADMIN_USERS=") {
		t.Errorf("the start's record: %+v", started)
	}
	at := "http://" + started.Listen[0]
	newBrowser(t).get(at + "/first")
	await(t, "the first request's record", func() bool { b, _ := os.ReadFile(file); return bytes.Contains(b, []byte("/first")) })
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	r.cmd.Process.Signal(syscall.SIGHUP)
	await(t, "the new file", func() bool { _, err := os.Stat(file); return err == nil })
	newBrowser(t).get(at + "/second")
	await(t, "the second request's record", func() bool { b, _ := os.ReadFile(file); return bytes.Contains(b, []byte("/second")) })
	for _, name := range []string{file, file + ".1"} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v: %v", name, st.Mode(), err)
		}
	}
	if status := r.end(syscall.SIGTERM); status != 0 || r.out.String() != "" {
		t.Errorf("status %d, and it printed %q", status, r.out)
	}
}

func TestStateIsNobodyElses(t *testing.T) {
	dir, env := house(t)
	r := start(t, command(t, dir, env, "serve", "--listen", "127.0.0.1:0"))
	r.find(`"message":"started"`)
	err := filepath.Walk(filepath.Join(dir, "state"), func(path string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, st.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// R code shares the loopback: what only operators may do is on a socket.
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "state", "control.sock"))
	}}}
	resp, err := c.Get("http://control/sessions")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || string(b) != "[]\n" {
		t.Errorf("%s %s", resp.Status, b)
	}
	if status := r.end(os.Interrupt); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestPortMayBeASocketForTheWebServerInFront(t *testing.T) {
	dir, env := house(t)
	socket := filepath.Join(dir, "front.sock")
	r := start(t, command(t, dir, append(env, "PORT="+socket), "serve"))
	r.find(`"message":"started"`)
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", st.Mode(), err)
	}
	b := newBrowser(t)
	b.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	if page := b.get("http://localhost:3000/none"); !strings.Contains(page, "There is nothing here") {
		t.Errorf("found %.200s", page)
	}
	if status := r.end(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is left")
	}
}

func TestALogReaderThatGoesAwayCostsNobodyAnything(t *testing.T) {
	dir, env := house(t)
	read, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := command(t, dir, env, "serve", "--listen", "127.0.0.1:0")
	c.Stdout = wr
	r := start(t, c)
	wr.Close()
	var first [4096]byte
	n, err := read.Read(first[:])
	if err != nil {
		t.Fatal(err)
	}
	for !bytes.Contains(first[:n], []byte("fastproxy.listen")) {
		k, err := read.Read(first[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	at := regexp.MustCompile(`"fastproxy.listen":\["([^"]+)"`).FindSubmatch(first[:n])
	read.Close()
	for range 3 {
		if page := newBrowser(t).get("http://" + string(at[1]) + "/none"); !strings.Contains(page, "There is nothing here") {
			t.Errorf("found %.200s", page)
		}
	}
	if status := r.end(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestDemoShowsItselfAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	r := start(t, command(t, dir, nil, "demo", "--port", "0"))
	origin := r.find(`Open (http://localhost:\d+)/ and sign in as kim`)
	b := newBrowser(t)
	page := b.get(origin + "/")
	issuer := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/`).FindString(b.at)
	if text := b.choose(page, issuer, "kim"); !strings.Contains(text, "Kim Larsen") || b.at != origin+"/reports/" {
		t.Errorf("at %s: %.500s", b.at, text)
	}
	if text := b.get(origin + "/.fastproxy/session"); !strings.Contains(text, "auth0|kim") {
		t.Errorf("session page: %.300s", text)
	}
	if text := b.get(origin + "/admin/"); !strings.Contains(text, "Kim Larsen") {
		t.Errorf("kim is Admin: %.300s", text)
	}
	sam := newBrowser(t)
	sam.choose(sam.get(origin+"/"), issuer, "sam")
	if text := sam.get(origin + "/admin/"); !strings.Contains(text, "This is not open to you") {
		t.Errorf("sam is no Admin: %.300s", text)
	}
	r.cmd.Process.Signal(os.Interrupt) // Ctrl-C, and again: people are impatient
	if status := r.end(os.Interrupt); status != 0 {
		t.Errorf("it ended with status %d", status)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v: %v", left, err)
	}
}
