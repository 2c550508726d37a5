package fastproxy

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar" // the Go team's own; many small files in one

	"fastproxy/fastproxy/identity"
)

var update = flag.Bool("update", false, "write what was seen into testdata/wire")

// TestWholeWire compares, byte for byte, what Shiny saw and what the client
// saw with golden files. A file holds: env (NAME=value lines), fastproxy.yml
// (may be absent; {upstream} is the backend), request, shiny says, and the
// two outcomes "shiny saw" and "client saw". Line ends of requests and answers
// are CRLF on the wire; bodies are written with \n where they have one. {kim}
// in a request is kim's session cookie.
func TestWholeWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { goldenWire(t, file) })
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
	saw := make(chan string, 8)
	b := startBackend(t, func(c net.Conn) { scripted(c, toWire(parts["shiny says"]), saw) })
	env := b.env()
	for _, l := range strings.Split(strings.TrimSpace(parts["env"]), "\n") {
		if name, value, ok := strings.Cut(l, "="); ok {
			env[name] = value
		}
	}
	p := startProxy(t, env, strings.ReplaceAll(parts["fastproxy.yml"], "{upstream}", "http://"+b.l.Addr().String()))
	request := parts["request"]
	if strings.Contains(request, "{kim}") {
		request = strings.ReplaceAll(request, "{kim}", p.cookieFor(t, goldenKim(p)))
	}
	client := p.roundTrip(t, toWire(request))
	shiny := "(nothing)\n"
	select {
	case shiny = <-saw:
	case <-time.After(50 * time.Millisecond): // refused requests never arrive; goldens say which
	}
	hide := func(s string) string {
		s = strings.ReplaceAll(s, b.l.Addr().String(), "{upstream}")
		s = strings.ReplaceAll(s, p.addr, "{proxy}")
		for _, h := range hidden {
			s = h.pattern.ReplaceAllString(s, h.by)
		}
		return strings.ReplaceAll(s, "\r\n", "\n")
	}
	compareWire(t, file, a, map[string]string{"shiny saw": hide(shiny), "client saw": hide(client)})
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
	{regexp.MustCompile(`(_form|_bounce|_home|name="token" value)="?=?[A-Za-z0-9_-]{20,}`), "$1={sealed}"},
	{regexp.MustCompile(`'sha256-[^']+'`), "'sha256-{style}'"},
}

// toWire makes the bytes of a request or an answer: a body ends without the
// line end that the file needs.
func toWire(s string) string {
	if !strings.HasSuffix(s, "\n\n") {
		s = strings.TrimSuffix(s, "\n")
	}
	s = strings.ReplaceAll(s, "\n", "\r\n")
	return strings.ReplaceAll(strings.ReplaceAll(s, `\n`, "\n"), `\r`, "\r")
}

// scripted reads one whole request and answers with fixed bytes.
func scripted(c net.Conn, answer string, saw chan<- string) {
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
			for _, d := range strings.TrimSpace(value) {
				length = length*10 + int(d-'0')
			}
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
