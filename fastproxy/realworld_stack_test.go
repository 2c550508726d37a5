//go:build linux

package fastproxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

const realworldDir = "testdata/realworld"

// binaries are the programs under test, built once for the suite.
type binaries struct{ fastproxy, sspasswd string }

// build makes them with the race detector where a C compiler is at hand.
func build(t testing.TB) binaries {
	t.Helper()
	dir := t.TempDir()
	flags := []string{"build", "-o", dir + "/"}
	if _, err := exec.LookPath("gcc"); err == nil {
		flags = append(flags, "-race")
	} else {
		t.Log("no gcc: fastproxy is built without the race detector")
	}
	cmd := exec.Command("go", append(flags, "./cmd/fastproxy", "./cmd/sspasswd")...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binaries{filepath.Join(dir, "fastproxy"), filepath.Join(dir, "sspasswd")}
}

// shinyApp is a real R with testdata/realworld/app.R.
type shinyApp struct {
	*child
	port int
}

func startShiny(t testing.TB) *shinyApp {
	t.Helper()
	rscript := needShiny(t)
	port := freePort(t)
	cmd := exec.Command(rscript, "app.R")
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "LC_ALL=C.UTF-8", "LANG=C.UTF-8", fmt.Sprint("PARENT_PID=", os.Getpid()))
	app := &shinyApp{start(t, "R", cmd), port}
	app.awaitLine(t, `^Listening on http://127\.0\.0\.1:`)
	t.Log(app.awaitLine(t, `^R version `))
	t.Log(app.awaitLine(t, `^shiny version `))
	return app
}

// issuer is a running oidc-provider, dressed as Auth0.
type issuer struct {
	*child
	Version  string
	Port     int
	Issuer   string
	Audience string
	People   map[string]struct {
		Password string
		Claims   map[string]any
	}
}

const clientSecret = "a client secret long enough to sign with HS256, which Auth0's are"

// startIssuer registers the applications given: oidc-provider's own client
// metadata, the secret filled in. Port 0 is any.
func startIssuer(t testing.TB, port int, clients ...args) *issuer {
	t.Helper()
	node := needNode(t)
	for _, c := range clients {
		c["client_secret"] = clientSecret
	}
	settings, err := json.Marshal(args{"port": port, "clients": clients})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "issuer.mjs", string(settings))
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{child: start(t, "oidc-provider", cmd)}
	i.stdin = stdin
	if err := json.Unmarshal([]byte(i.awaitLine(t, `^\{"version"`)), i); err != nil {
		t.Fatal(err)
	}
	t.Log(i.Version)
	return i
}

// application is the client metadata of a fastproxy at origin.
func application(id, origin string) args {
	return args{
		"client_id":                 id,
		"redirect_uris":             []string{origin + "/callback"},
		"post_logout_redirect_uris": []string{origin + "/callback"},
		// Auth0 puts `sid` into every ID token; oidc-provider where this is set.
		"backchannel_logout_uri":              origin + "/.fastproxy/backchannel-logout",
		"backchannel_logout_session_required": true,
	}
}

// proxy is a running fastproxy, in a directory of its own.
type proxy struct {
	*child
	origin string // as the browser has it: http://localhost:1234
	listen string // as it listens: 127.0.0.1:1234
	ops    string // http://127.0.0.1:1235
	dir    string
	bin    string
}

type settings map[string]string

// auth0 is what someone coming from shiny-auth0-plus has in .env, and the one
// line that names an issuer other than Auth0.
func auth0(i *issuer, id, origin string) settings {
	return settings{
		"AUTH0_ISSUER_URL":    i.Issuer,
		"AUTH0_CLIENT_ID":     id,
		"AUTH0_CLIENT_SECRET": clientSecret,
		"AUTH0_CALLBACK_URL":  origin + "/callback",
		"AUTH0_GROUPS_CLAIM":  "https://fastproxy.test/claims", // the namespace only, as the original's article has it
		"COOKIE_SECRET":       "correct horse battery staple, and then some",
	}
}

// and gives the settings with others laid over them.
func (s settings) and(others settings) settings {
	all := settings{}
	for k, v := range s {
		all[k] = v
	}
	for k, v := range others {
		all[k] = v
	}
	return all
}

// newProxy prepares a fastproxy in front of shiny, not yet running: its port
// has to be known to the issuer first.
func newProxy(t testing.TB, bin binaries) *proxy {
	t.Helper()
	port := freePort(t)
	return &proxy{
		origin: fmt.Sprint("http://localhost:", port),
		listen: fmt.Sprint("127.0.0.1:", port),
		ops:    fmt.Sprint("http://127.0.0.1:", freePort(t)),
		dir:    t.TempDir(),
		bin:    bin.fastproxy,
	}
}

// serve starts it with these settings in its .env, and yaml (if any) in its
// fastproxy.yml, and waits until it is ready.
func (p *proxy) serve(t testing.TB, w *world, s settings, yaml string) {
	t.Helper()
	p.write(t, w, s, yaml)
	p.run(t)
	p.awaitReady(t)
}

func (p *proxy) write(t testing.TB, w *world, s settings, yaml string) {
	t.Helper()
	all := settings{
		"SHINY_HOST":       "127.0.0.1",
		"SHINY_PORT":       fmt.Sprint(w.app.port),
		"SHINY_ADMIN_PORT": fmt.Sprint(w.admin.port),
		"STATE_DIR":        filepath.Join(p.dir, "state"),
		"OPS_LISTEN":       strings.TrimPrefix(p.ops, "http://"),
	}.and(s)
	var lines []string
	for k, v := range all {
		lines = append(lines, k+"="+v)
	}
	sort.Strings(lines)
	if err := os.WriteFile(filepath.Join(p.dir, ".env"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if yaml == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(p.dir, "fastproxy.yml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts the process; a second call, after stop, is a restart.
func (p *proxy) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command(p.bin, "serve", "--listen", p.listen)
	cmd.Dir = p.dir
	// Only the settings of the file count, a developer's own environment does
	// not; make test runs the attacks over both engines.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "ENGINE=" + os.Getenv("FASTPROXY_TEST_ENGINE")}
	p.child = start(t, "fastproxy", cmd)
	c := p.child
	t.Cleanup(func() {
		c.stop()
		if strings.Contains(c.log.String(), "DATA RACE") {
			t.Errorf("fastproxy raced:\n%s", c.log.tail(200))
		}
	})
}

func (p *proxy) awaitReady(t testing.TB) {
	t.Helper()
	eventually(t, "fastproxy to be ready", func() error {
		select {
		case <-p.done:
			t.Fatalf("fastproxy ended: %v\n%s", p.err, p.log.tail(60))
		default:
		}
		return answers(p.ops+"/readyz", http.StatusOK)
	})
}

// plain is an HTTP client that keeps no connection and follows nothing.
var plain = http.Client{
	Timeout:       patience,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answers asks once for a status.
func answers(url string, status int) error {
	res, err := plain.Get(url)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != status {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}
