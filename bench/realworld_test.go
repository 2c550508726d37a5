//go:build linux

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Where the real-world suite of package fastproxy has its app, its issuer and
// its browser.
const realworldDir = "../fastproxy/testdata/realworld"

// neighbour is another program that a test needs.
type neighbour struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{}
}

func (n *neighbour) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out.Write(p)
}

func (n *neighbour) printed() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out.String()
}

// startNeighbour runs cmd until the test is over, and waits until it has
// printed what is wanted.
func startNeighbour(t *testing.T, cmd *exec.Cmd, want string) (*neighbour, []string) {
	t.Helper()
	n := &neighbour{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = n, n
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(n.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-n.done:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-n.done
		}
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), n.printed())
		}
	})
	shape := regexp.MustCompile(want)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if m := shape.FindStringSubmatch(n.printed()); m != nil {
			return n, m
		}
		select {
		case <-n.done:
			t.Fatalf("%s ended:\n%s", cmd.Path, n.printed())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not print %s:\n%s", cmd.Path, want, n.printed())
		}
	}
}

func needR(t *testing.T) string {
	t.Helper()
	rscript, err := exec.LookPath("Rscript")
	if err != nil || exec.Command(rscript, "-e", `if (!nzchar(system.file(package = "shiny"))) quit(status = 1)`).Run() != nil {
		lacking(t, "R with its shiny package")
	}
	return rscript
}

func needNode(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		lacking(t, "node")
	}
	for _, name := range []string{"oidc-provider", "playwright-core"} {
		if _, err := os.Stat(filepath.Join(realworldDir, "node_modules", name, "package.json")); err != nil {
			lacking(t, "npm package "+name)
		}
	}
	return node
}

func aPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// startR runs the real Shiny app and gives its address.
func startR(t *testing.T) string {
	t.Helper()
	port := aPort(t)
	cmd := exec.Command(needR(t), "app.R")
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "PORT="+port, "LC_ALL=C.UTF-8", "LANG=C.UTF-8", fmt.Sprint("PARENT_PID=", os.Getpid()))
	startNeighbour(t, cmd, `(?m)^Listening on http://127\.0\.0\.1:`)
	return "http://127.0.0.1:" + port + "/"
}

// programs are ours, built once for all tests. TestMain removes them.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func needPrograms(t *testing.T) string {
	t.Helper()
	p := &programs
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "fastbench-test-"); p.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", p.dir+"/", "./cmd/fastproxy", "./cmd/sspasswd")
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
	if code == 0 {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// startFastproxy puts one before a Shiny, with further settings, and gives the
// address of the mount.
func startFastproxy(t *testing.T, shiny string, port string, settings ...string) string {
	t.Helper()
	dir, ops := t.TempDir(), aPort(t)
	_, shinyPort, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(shiny, "http://"), "/"), ":")
	env := append([]string{"PUBLIC_URL=http://localhost:" + port, "SHINY_HOST=127.0.0.1", "SHINY_PORT=" + shinyPort, "STATE_DIR=" + dir + "/state", "OPS_LISTEN=127.0.0.1:" + ops}, settings...)
	if err := os.WriteFile(dir+"/.env", []byte(strings.Join(env, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(needPrograms(t), "fastproxy"), "serve", "--listen", "127.0.0.1:"+port)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	n, _ := startNeighbour(t, cmd, `.`)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if res, err := client.Get("http://127.0.0.1:" + ops + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return "http://localhost:" + port + "/reports/"
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("fastproxy is not ready:\n%s", n.printed())
		}
	}
}

// passwords is a flat file with kim in it, as a setting.
func passwords(t *testing.T) string {
	t.Helper()
	file := t.TempDir() + "/passwd"
	cmd := exec.Command(filepath.Join(needPrograms(t), "sspasswd"), "-c", "-C", "0.05", file, kim.User)
	cmd.Stdin = strings.NewReader(kim.Password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sspasswd: %v\n%s", err, out)
	}
	return "AUTH_PASSWD_FILE=" + file
}

// startIssuer runs a real OpenID Connect issuer that knows a fastproxy on a
// port, and gives that one's settings and somebody who can sign in.
func startIssuer(t *testing.T, port string) ([]string, Login) {
	t.Helper()
	origin := "http://localhost:" + port
	const secret = "a client secret long enough to sign with HS256, which Auth0's are"
	wanted, _ := json.Marshal(map[string]any{"clients": []any{map[string]any{
		"client_id": "shiny", "client_secret": secret,
		"redirect_uris": []string{origin + "/callback"}, "post_logout_redirect_uris": []string{origin + "/callback"},
	}}})
	cmd := exec.Command(needNode(t), "issuer.mjs", string(wanted))
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	_, hello := startNeighbour(t, cmd, `(?m)^\{"version".*$`)
	var issuer struct {
		Issuer string
		People map[string]struct{ Password string }
	}
	if err := json.Unmarshal([]byte(hello[0]), &issuer); err != nil {
		t.Fatal(err)
	}
	return []string{"AUTH0_ISSUER_URL=" + issuer.Issuer, "AUTH0_CLIENT_ID=shiny", "AUTH0_CLIENT_SECRET=" + secret,
		"AUTH0_CALLBACK_URL=" + origin + "/callback"}, Login{"kim", issuer.People["kim"].Password}
}

// readByR has R read a directory of results, and gives what it found.
func readByR(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, err := exec.Command(needR(t), "testdata/read_run.R", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("R does not take the results: %v\n%s", err, out)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			found[f[0]] = f[1]
		}
	}
	return found
}

// TestARealSessionIsRecordedAndReplayed records what a real Chromium does in a
// real R Shiny app, and replays it directly and through fastproxy, signed in by
// password and by a real issuer.
func TestARealSessionIsRecordedAndReplayed(t *testing.T) {
	if testing.Short() {
		t.Skip("the real thing takes a minute: not with -short")
	}
	node, chromium := needNode(t), needChromium(t)
	shiny := startR(t)
	port := aPort(t)
	byPassword := startFastproxy(t, shiny, aPort(t), passwords(t))
	settings, person := startIssuer(t, port)
	byIssuer := startFastproxy(t, shiny, port, settings...)

	n := startRecording(t, byPassword, func(o *RecordOptions) { o.SignIn.Logins = []Login{kim} })
	usesTheApp(t, node, chromium, n.url)
	recorded := n.end(t)
	counts := map[EventType]int{}
	for _, e := range recorded.Events {
		counts[e.Type]++
	}
	t.Logf("recorded %v in %v", counts, recorded.Length())
	if counts[reqHome] == 0 || counts[reqPost] != 1 || counts[wsReceiveUpload] != 1 || counts[wsReceiveInit] != 1 || counts[reqGet] < 15 || recorded.TargetType != typePlain {
		t.Errorf("recorded %v of %s", counts, recorded.TargetType)
	}

	for name, change := range map[string]func(*ReplayOptions){
		"directly":              func(o *ReplayOptions) { o.URL = shiny },
		"signed in by password": func(o *ReplayOptions) { o.URL, o.SignIn.Logins = byPassword, []Login{kim} },
		"signed in by an issuer": func(o *ReplayOptions) {
			o.URL, o.SignIn = byIssuer, SignIn{OIDC: true, Logins: []Login{person}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := replayOf(t, "", n.path, change, func(o *ReplayOptions) {
				o.Workers, o.StartInterval, o.LoadedDuration = 2, 300*time.Millisecond, recorded.Length()+time.Second
			})
			if err := r.Err(); err != nil {
				t.Error(err)
			}
			found := readByR(t, dir)
			t.Logf("%d sessions, session p50 %s, R found %v", r.Counts.Sessions, micros(r.Latency["session"].P50), found)
			if found["done"] != strconv.Itoa(r.Counts.Sessions) || found["failed"] != "0" || found["workers"] != "2" || found["concurrency"] != "2" || r.Counts.Sessions < 2 {
				t.Errorf("R found %v, want %d sessions done", found, r.Counts.Sessions)
			}
		})
	}
}

// usesTheApp is what a person does in the app: wait for the plot, move the
// slider, upload, download, and close the tab.
func usesTheApp(t *testing.T, node, chromium, url string) {
	t.Helper()
	file := t.TempDir() + "/what R received.bin"
	if err := os.WriteFile(file, bytes.Repeat([]byte("fastbench "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	drive(t, node, chromium,
		step{"do": "goto", "url": url},
		step{"do": "await", "selector": "#bins", "text": "20 bins"},
		step{"do": "change", "selector": "#plot img", "name": "src", "text": ""},
		step{"do": "slide", "selector": ".irs", "share": 0.5},
		step{"do": "upload", "selector": "#file", "files": file},
		step{"do": "await", "selector": "#uploaded", "text": "50000 bytes"},
		step{"do": "download", "selector": "#data"},
		step{"do": "download", "selector": "#umlaut"},
	)
}

type step map[string]any

// drive opens a tab of a real Chromium, goes through the steps and closes it.
func drive(t *testing.T, node, chromium string, steps ...step) {
	t.Helper()
	steps = slices.Concat([]step{{"do": "open", "visitor": "kim"}}, steps, []step{{"do": "close"}})
	cmd := exec.Command(node, "browser.mjs", chromium, t.TempDir())
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	b, _ := startNeighbour(t, cmd, `(?m)^\{"version"`)
	for i, do := range steps {
		do["id"], do["page"] = i+1, "kim"
		line, _ := json.Marshal(do)
		stdin.Write(append(line, '\n'))
		answered := regexp.MustCompile(fmt.Sprintf(`(?m)^\{"id":%d[,}].*$`, i+1))
		for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if m := answered.FindString(b.printed()); m != "" {
				if strings.Contains(m, `"error"`) {
					t.Fatalf("%s: %s", line, m)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: no answer", line)
			}
		}
	}
}

// startDemo runs a pocket Auth0, a pocket Shiny and fastproxy before it, and
// gives the address of the app.
func startDemo(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(needPrograms(t), "fastproxy"), "demo", "--port", "0")
	cmd.Env = append(os.Environ(), "TMPDIR="+needPrograms(t)) // a socket's path must be short
	_, m := startNeighbour(t, cmd, `Open (http://localhost:\d+)/ and sign in as kim`)
	address := m[1] + "/reports/"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := (&SignIn{OIDC: true, Logins: []Login{kim}}).Header(t.Context(), Target{URL: address}); err == nil {
			return address
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestEveryTransportIsReplayedThroughASignIn plays a SockJS session against the
// pocket Shiny by each transport that a browser may fall back to.
func TestEveryTransportIsReplayedThroughASignIn(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs fastproxy: not with -short")
	}
	address := startDemo(t)
	for _, kind := range []Transport{WebSocket, XHRStreaming, XHR, EventSource} {
		t.Run(string(kind), func(t *testing.T) {
			r, dir := replayOf(t, address, "testdata/recording-demo.log", func(o *ReplayOptions) {
				o.SignIn, o.Transport, o.Workers = SignIn{OIDC: true, Logins: []Login{kim, {User: "sam"}}}, kind, 4
			})
			if err := r.Err(); err != nil {
				t.Error(err)
			}
			if r.Counts.Sessions != 4 || r.Counts.Opened != 4 || r.Latency["login"].Count != 4 {
				t.Errorf("%+v", r.Counts)
			}
			if found := readByR(t, dir); found["done"] != "4" || found["failed"] != "0" {
				t.Errorf("R found %v", found)
			}
		})
	}
}

// TestAStormThroughTheFrontDoor has everybody sign in at the pocket Auth0, open
// a socket, drop and return.
func TestAStormThroughTheFrontDoor(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs fastproxy: not with -short")
	}
	r, err := Storm(t.Context(), StormOptions{
		Target: Target{URL: startDemo(t)}, SignIn: SignIn{OIDC: true, Logins: []Login{kim, {User: "sam"}}},
		Logins: 100, Over: 2 * time.Second, For: 300 * time.Millisecond, Drops: 1, ReturnOver: 500 * time.Millisecond,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Sessions != 100 || r.Counts.Opened != 100 || r.Counts.Reopened != 100 || r.Counts.OpenAtEnd != 100 {
		t.Errorf("%+v, failures %v", r.Counts, r.Failures)
	}
	t.Logf("sign-in p50 %s p99 %s, return p99 %s", micros(r.Latency["login"].P50), micros(r.Latency["login"].P99), micros(r.Latency["reconnect"].P99))
}

// TestAStormByPasswordKeepsToWhatScryptAllows lets fastproxy's own form in: as
// often as it lets one name try at once, for on a slow machine all of them may be.
func TestAStormByPasswordKeepsToWhatScryptAllows(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs fastproxy: not with -short")
	}
	shiny := newStandIn(t, samples[0])
	r, err := Storm(t.Context(), StormOptions{
		Target: Target{URL: startFastproxy(t, shiny.URL, aPort(t), passwords(t))}, SignIn: SignIn{Logins: []Login{kim}}, Logins: 3,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Sessions != 3 || r.Counts.Opened != 3 || len(r.Notes) != 1 {
		t.Errorf("%+v, notes %v", r.Counts, r.Notes)
	}
	t.Log(r.Notes)
}
