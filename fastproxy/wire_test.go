package fastproxy

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar" // the Go team's own; many small files in one

	"fastproxy/fastproxy/demo"
	"fastproxy/fastproxy/identity"
)

var update = flag.Bool("update", false, "write what was seen into testdata/wire")

// TestWholeWire compares, byte for byte, what Shiny saw and what the client
// saw with golden files. A file holds: env (NAME=value lines), fastproxy.yml
// (may be absent; {upstream} is the backend), request, shiny says, and the
// two outcomes "shiny saw" and "client saw". Lines end with CRLF on the wire;
// \r, \n and \xNN stand for single bytes. {kim} in a request is kim's session
// cookie, {machine} a bearer token for https://api.test. What follows the head
// of an upgrade is said through the tunnel. Our own pages are not repeated.
func TestWholeWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			goldenWire(t, file)
		})
	}
}

func goldenWire(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := make(map[string]string)
	for _, f := range a.Files {
		parts[f.Name] = string(f.Data)
	}
	request := toWire(parts["request"])
	_, behind, _ := strings.Cut(request, "\r\n\r\n")
	saw := make(chan string, 8)
	b := startBackend(t, func(c net.Conn) {
		answer := strings.ReplaceAll(parts["shiny says"], "{upstream}", c.LocalAddr().String())
		scripted(c, toWire(answer), len(behind), saw)
	})
	env := b.env()
	env["COOKIE_SECRET"] = "" // a random key is quicker
	if strings.Contains(request, "{machine}") {
		var token string
		env["AUTH0_ISSUER_URL"], token = machineToken(t)
		env["AUTH0_CLIENT_ID"], env["AUTH0_CLIENT_SECRET"], env["AUTH0_AUDIENCE"] = "shiny", "a client secret", "https://api.test"
		request = strings.ReplaceAll(request, "{machine}", token)
	}
	for _, l := range strings.Split(strings.TrimSpace(parts["env"]), "\n") {
		if name, value, ok := strings.Cut(l, "="); ok {
			env[name] = value
		}
	}
	p := startProxy(t, env, strings.ReplaceAll(parts["fastproxy.yml"], "{upstream}", "http://"+b.l.Addr().String()))
	if strings.Contains(request, "{kim}") {
		request = strings.ReplaceAll(request, "{kim}", p.cookieFor(t, goldenKim(p)))
	}
	client := p.roundTrip(t, request)
	shiny := "(nothing)\r\n"
	select {
	case shiny = <-saw:
	default: // it would have been here before the client's answer
	}
	show := func(s string) string {
		s = strings.ReplaceAll(s, b.l.Addr().String(), "{upstream}")
		s = strings.ReplaceAll(s, p.addr, "{proxy}")
		for _, h := range hidden {
			s = h.pattern.ReplaceAllString(s, h.by)
		}
		return fromWire(s)
	}
	compareWire(t, file, a, map[string]string{"shiny saw": show(shiny), "client saw": show(client)})
}

// machineToken runs a pocket Auth0 and returns it with a bearer token of
// shiny@clients.
func machineToken(t *testing.T) (issuer, token string) {
	a := newAuth0(t, func(o *demo.Auth0Options) { o.Audiences = []string{"https://api.test"} })
	a.open()
	resp, err := http.PostForm(a.issuer+"oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"shiny"}, "client_secret": {"a client secret"}, "audience": {"https://api.test"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || v.Token == "" {
		t.Fatal("no token", err)
	}
	http.DefaultClient.CloseIdleConnections()
	return a.issuer, v.Token
}

// goldenKim is somebody with every claim that becomes a header.
func goldenKim(p *testProxy) identity.Principal {
	k := identity.FromPasswd("tina", []string{"Admin", "a,b", "Größe", "100%"})
	k.Email, k.EmailVerified, k.Name = "kim@example.org", identity.VerifiedYes, "Kim Ökonom"
	return k
}

var hidden = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`[0-9a-f]{32}`), "{id}"},
	{regexp.MustCompile(`Date: [^\r\n]+GMT`), "Date: {date}"},
	{regexp.MustCompile(`(_form|_bounce|_home|_state_[A-Za-z0-9_-]+|name="token" value)="?=?[A-Za-z0-9_-]{20,}`), "$1={sealed}"},
	{regexp.MustCompile(`'sha256-[^']+'`), "'sha256-{style}'"},
	{regexp.MustCompile(`(?is)Content-Length: \d+(\r\n.*?\r\n\r\n)<!doctype html>.*?<title>(.*?)</title>.*</html>\s*`), "Content-Length: {length}$1{page: $2}"},
}

var byteEscape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// toWire makes the bytes of a request or an answer: a body ends without the
// line end that the file needs.
func toWire(s string) string {
	if !strings.HasSuffix(s, "\n\n") {
		s = strings.TrimSuffix(s, "\n")
	}
	s = strings.ReplaceAll(s, "\n", "\r\n")
	s = strings.ReplaceAll(strings.ReplaceAll(s, `\n`, "\n"), `\r`, "\r")
	return byteEscape.ReplaceAllStringFunc(s, func(e string) string {
		b, _ := hex.DecodeString(e[2:])
		return string(b)
	})
}

// fromWire writes bytes as toWire reads them.
func fromWire(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "\r\n"):
			b.WriteByte('\n')
			i++
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// scripted reads one whole request and answers with fixed bytes. Where it
// answers 101, it reads what the client says through the tunnel before it says
// more.
func scripted(c net.Conn, answer string, tunnelled int, saw chan<- string) {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var seen bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &seen))
	length, chunked := 0, false
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return // a connection that was only looked at
		}
		name, value, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch strings.ToLower(name) {
		case "content-length":
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		case "transfer-encoding":
			chunked = true
		}
		if l == "\r\n" {
			break
		}
	}
	io.CopyN(io.Discard, r, int64(length))
	for chunked {
		l, err := r.ReadString('\n')
		if err != nil || l == "0\r\n" {
			r.ReadString('\n')
			break
		}
	}
	if head, rest, _ := strings.Cut(answer, "\r\n\r\n"); strings.HasPrefix(head, "HTTP/1.1 101") {
		io.WriteString(c, head+"\r\n\r\n")
		io.CopyN(io.Discard, r, int64(tunnelled))
		answer = rest
	}
	saw <- seen.String()
	io.WriteString(c, answer)
}

func compareWire(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	changed := false
	for _, name := range []string{"shiny saw", "client saw"} {
		i := -1
		for j := range a.Files {
			if a.Files[j].Name == name {
				i = j
			}
		}
		if i < 0 {
			a.Files = append(a.Files, txtar.File{Name: name})
			i = len(a.Files) - 1
		}
		want, have := string(a.Files[i].Data), got[name]
		if !strings.HasSuffix(have, "\n") {
			have += "\n"
		}
		if want == have {
			continue
		}
		if *update {
			a.Files[i].Data, changed = []byte(have), true
			continue
		}
		t.Errorf("%s: found\n%s\nwant\n%s", name, have, want)
	}
	if changed {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
