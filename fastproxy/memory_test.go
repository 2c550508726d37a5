//go:build linux

package fastproxy

import (
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/passwd"
	"fastproxy/fastproxy/secret"
	"fastproxy/fastproxy/session"
)

// process is the real binary in front of the test's Shiny.
type process struct {
	door
	cmd *exec.Cmd
}

// startProcess builds and starts it; the shell command prepares the process
// it becomes.
func startProcess(t *testing.T, prepare string, env ...string) *process {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "fastproxy")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/fastproxy").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "passwd")
	if err := os.WriteFile(file, []byte(tinaLine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shiny, log := startShiny(t), &logBuffer{}
	cmd := exec.Command("sh", "-c", prepare+"; exec "+binary+" serve")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "LISTEN=127.0.0.1:0", "OPS_LISTEN=127.0.0.1:0", "STATE_DIR="+filepath.Join(dir, "state"),
		"AUTH_PASSWD_FILE="+file, "ENGINE="+os.Getenv("FASTPROXY_TEST_ENGINE"))
	for k, v := range shiny.env() {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%.20000s", log)
		}
	})
	p := &process{door{testProxy: &testProxy{log: log}, shiny: shiny, t: t}, cmd}
	p.eventuallyLogged(`"message":"started"`)
	p.addr = regexp.MustCompile(`"fastproxy.listen":\["([^"]+)"`).FindStringSubmatch(log.String())[1]
	p.cookie = "fastproxy_session=" + sealedFor(t, dir, file)
	return p
}

// sealedFor makes tina's cookie with the key that the process keeps.
func sealedFor(t *testing.T, dir, file string) string {
	t.Helper()
	key, err := secret.LoadOrCreateKey(filepath.Join(dir, "state", "cookie.key"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := passwd.Open(file, "")
	if err != nil {
		t.Fatal(err)
	}
	v := session.New(identity.FromPasswd("tina", nil), time.Now(), time.Hour)
	v.Line, _ = f.Fingerprint("tina")
	values, err := session.NewSealer(secret.NewBox(key.Derive("cookies")), "fastproxy_session").Seal(&v)
	if err != nil {
		t.Fatal(err)
	}
	return values[0]
}

// kilobytes reads a line of /proc/PID/status.
func (p *process) kilobytes(name string) int {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(l, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatalf("no %s for the process", name)
	return 0
}

func TestGigabytesPassInSixtyFourMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := startProcess(t, ":", "GOMEMLIMIT=64MiB")
	const gigabyte = 1 << 30
	t.Run("up", func(t *testing.T) {
		c0 := p.dial()
		c0.say(p.request("POST /reports/session/x/upload/1", "Content-Length: "+strconv.Itoa(gigabyte)))
		s := p.shiny.accept()
		s.wantHead("POST /session/x/upload/1 HTTP/1.1", "Content-Length: "+strconv.Itoa(gigabyte))
		carries(t, c0.nc, s.r, gigabyte)
		s.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK")
		c0.want("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
	})
	t.Run("down", func(t *testing.T) {
		c0 := p.dial()
		c0.say(p.request("GET /reports/session/x/download/1"))
		s := p.shiny.accept()
		s.head()
		s.say("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(gigabyte) + "\r\n\r\n")
		c0.wantHead("HTTP/1.1 200 OK")
		carries(t, s.nc, c0.r, gigabyte)
	})
	most, heap := p.kilobytes("VmHWM"), p.kilobytes("RssAnon")
	t.Logf("at most %d KB resident, %d KB anonymous now", most, heap)
	if most > 64<<10 {
		t.Errorf("it took %d KB", most)
	}
}

// carries writes n bytes into w and finds the same ones in r.
func carries(t *testing.T, w io.Writer, r io.Reader, n int64) {
	t.Helper()
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = byte(i * 7 >> 3)
	}
	sent := make(chan uint32, 1)
	go func() {
		sum := crc32.NewIEEE()
		for left := n; left > 0; left -= int64(len(piece)) {
			piece[0]++
			sum.Write(piece)
			if _, err := w.Write(piece); err != nil {
				t.Error(err)
				break
			}
		}
		sent <- sum.Sum32()
	}()
	sum := crc32.NewIEEE()
	got, err := io.CopyBuffer(sum, io.LimitReader(r, n), make([]byte, 1<<18))
	if err != nil || got != n {
		t.Fatalf("%d bytes came, and then %v", got, err)
	}
	if sum.Sum32() != <-sent {
		t.Error("other bytes came")
	}
}

func TestDescriptorExhaustionPassesAgain(t *testing.T) {
	p := startProcess(t, "ulimit -n 48")
	before := p.dial()
	before.say(p.request("GET /.fastproxy/session"))
	before.wantAnswer("200 OK")
	socket := p.dial()
	socket.say(p.handshake(plainSocket, fromOurs))
	s := p.shiny.accept()
	s.head()
	s.say(switching)
	socket.want(switched)

	var flood []net.Conn
	for range 100 { // the kernel accepts what the process cannot
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, c)
	}
	p.eventuallyLogged("no room for more connections")
	before.say(p.request("GET /.fastproxy/session"))
	before.wantAnswer("200 OK")
	socket.say(hello)
	s.want(hello)
	before.say(p.request("DELETE /reports/")) // needs a descriptor, which is kept back for it
	within := p.shiny.accept()
	within.head()
	within.say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") // kept, it would be its lane's alone
	before.want("HTTP/1.1 204 No Content\r\n\r\n")

	for _, c := range flood {
		c.Close()
	}
	after := p.dial()
	after.say(p.request("DELETE /reports/"))
	again := p.shiny.accept()
	again.head()
	again.say("HTTP/1.1 204 No Content\r\n\r\n")
	after.want("HTTP/1.1 204 No Content\r\n\r\n")
	socket.say(hello)
	s.want(hello)
	if n := strings.Count(p.log.String(), "no room for more"); n > 3 {
		t.Errorf("%d lines say so", n)
	}
}
