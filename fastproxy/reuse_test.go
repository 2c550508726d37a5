package fastproxy

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fastproxy/fastproxy/audit"

	"go.uber.org/zap/zapcore"
)

// besides is what a second process on first's port is set to.
func besides(first *testProxy, s *shinyStub) map[string]string {
	env := s.env()
	env["LISTEN"], env["REUSE_PORT"] = first.addr, "true"
	return env
}

func TestTwoProcessesShareAPortAndTheirSessions(t *testing.T) {
	if !systemSharesPorts {
		t.Skip("not on this system")
	}
	shiny := startShiny(t)
	env := shiny.env()
	env["REUSE_PORT"] = "true"
	one := startProxy(t, env, "")
	two := startProxy(t, besides(one, shiny), "")
	served := func(p *testProxy) int { return strings.Count(p.log.String(), `"event.dataset":"fastproxy.access"`) }

	d := &door{testProxy: one, shiny: shiny, t: t, cookie: one.tina(t)}
	// The kernel spreads connections by a hash of their addresses; sixty-four
	// that all fall to one side do so once in 2^63 runs.
	for range 64 {
		c := d.dial()
		c.say(d.request("GET /.fastproxy/session", "Accept: application/json"))
		if body := c.wantAnswer("200 OK"); !strings.Contains(body, "tina") {
			t.Fatalf("a session of the other process is %s here", body)
		}
		c.close()
	}
	d.eventually("records of all", func() bool { return served(one)+served(two) == 64 })
	if served(one) == 0 || served(two) == 0 {
		t.Errorf("%d came to one process, %d to the other", served(one), served(two))
	}

	// The port stays with who is left. What fell to the one that goes, before
	// it had accepted it, would be lost; nothing is under way here.
	two.stop()
	for range 8 {
		c := d.dial()
		c.say(d.request("GET /.fastproxy/session"))
		c.wantAnswer("200 OK")
		c.close()
	}
}

func TestAPortThatIsNotSharedIsInUse(t *testing.T) {
	for _, first := range []bool{false, true} {
		l, err := listenOn(ListenAddr{Network: "tcp", Address: "127.0.0.1:0", Shared: first && systemSharesPorts})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, second := range []bool{false, true} {
			beside, err := listen([]ListenAddr{{Network: "tcp", Address: l.Addr().String(), Shared: second && systemSharesPorts}})
			if first && second && systemSharesPorts {
				if err != nil {
					t.Errorf("beside each other: %v", err)
				} else {
					beside[0].Close()
				}
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("shared %v beside shared %v: %v", second, first, err)
			}
		}
	}
}

// settingsAt are those of a process that keeps its state in dir.
func settingsAt(t *testing.T, dir string) *Settings {
	t.Helper()
	set, err := LoadSettings(SourceFlags{Dir: settingsDir(t, login, ""), Environ: []string{"STATE_DIR=" + dir, "LISTEN=127.0.0.1:0", "OPS_LISTEN=127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestProcessesOnOnePortDoNotShareAStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	startProxy(t, map[string]string{"COOKIE_SECRET": "", "STATE_DIR": dir}, "")
	set := settingsAt(t, dir)
	log := audit.New(&logBuffer{}, zapcore.DebugLevel)
	defer log.Close(t.Context())
	p, err := New(set, log)
	if err == nil {
		p.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "in use by another process") || !strings.Contains(err.Error(), "give each its own STATE_DIR") {
		t.Errorf("error is %v", err)
	}
}

func TestUnixSocketsAreNeverShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := listenOn(ListenAddr{Network: "unix", Address: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // removeStaleSocket asks whether somebody is there
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	second, err := listenOn(ListenAddr{Network: "unix", Address: path})
	if err == nil {
		second.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "another process listening there") {
		t.Errorf("error is %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first no longer listens: %v", err)
	} else {
		c.Close()
	}
}
