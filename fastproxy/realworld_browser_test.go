//go:build linux

package fastproxy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is one Chromium, driven through testdata/realworld/browser.mjs.
// Safe for many goroutines: commands go out as lines and answers come back by
// number.
type browser struct {
	version string
	mu      sync.Mutex // guards stdin, next, waiting
	stdin   io.Writer
	next    int
	waiting map[int]chan answer
}

type answer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

func startBrowser(t testing.TB) *browser {
	t.Helper()
	node, chromium := needNode(t), need(t, "chromium", "chromium-browser", "google-chrome")
	shots, err := filepath.Abs(filepath.Join(realworldDir, "screenshots"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "browser.mjs", chromium, shots)
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // without it Chromium names a download in ASCII
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	cmd.Stdout = in
	c := start(t, "Chromium", cmd)
	c.stdin = stdin
	go func() { <-c.done; in.Close() }()

	b := &browser{stdin: stdin, waiting: map[int]chan answer{}}
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	var hello struct{ Version string }
	if err != nil || json.Unmarshal(first, &hello) != nil {
		t.Fatalf("browser.mjs did not say hello: %v %s\n%s", err, first, c.log.tail(30))
	}
	b.version = hello.Version
	go b.listen(lines)
	return b
}

// listen hands each answer to who asked, until the driver ends.
func (b *browser) listen(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if json.Unmarshal(line, &a) == nil {
			b.mu.Lock()
			c := b.waiting[a.ID]
			delete(b.waiting, a.ID)
			b.mu.Unlock()
			if c != nil {
				c <- a
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, c := range b.waiting {
		c <- answer{Error: "the browser has ended"}
		delete(b.waiting, id)
	}
}

type args map[string]any

// ask does one command and gives its value; the driver bounds each in time.
func (b *browser) ask(verb string, with args) (json.RawMessage, error) {
	c := make(chan answer, 1)
	b.mu.Lock()
	b.next++
	line := args{"id": b.next, "do": verb}
	for k, v := range with {
		line[k] = v
	}
	b.waiting[b.next] = c
	text, err := json.Marshal(line)
	if err == nil {
		_, err = b.stdin.Write(append(text, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-c:
		if a.Error != "" {
			return nil, fmt.Errorf("%s", a.Error)
		}
		return a.Value, nil
	case <-time.After(2 * patience):
		return nil, fmt.Errorf("no answer in %v", 2*patience)
	}
}

// tab is one page of one visitor. Every method fails its test on any error.
type tab struct {
	t    testing.TB
	b    *browser
	name string
}

// open gives visitor a new tab; a visitor seen for the first time starts with
// no cookies. Options are playwright's for a new context.
func (b *browser) open(t testing.TB, visitor string, options ...args) *tab {
	t.Helper()
	b.mu.Lock()
	b.next++
	tb := &tab{t: t, b: b, name: fmt.Sprintf("%s#%d", visitor, b.next)}
	b.mu.Unlock()
	with := args{"visitor": t.Name() + "/" + visitor}
	if len(options) > 0 {
		with["options"] = options[0]
	}
	tb.ask("open", with, nil)
	t.Cleanup(func() {
		if t.Failed() {
			name := "failed-" + strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()+"-"+tb.name)
			b.ask("screenshot", args{"page": tb.name, "text": name})
		}
		b.ask("close", args{"page": tb.name})
	})
	return tb
}

func (p *tab) ask(verb string, with args, into any) {
	p.t.Helper()
	if with == nil {
		with = args{}
	}
	with["page"] = p.name
	value, err := p.b.ask(verb, with)
	if err != nil {
		p.t.Fatalf("%s: %s %v: %v", p.name, verb, with, err)
	}
	if into != nil && len(value) > 0 {
		if err := json.Unmarshal(value, into); err != nil {
			p.t.Fatalf("%s: %s: read %s: %v", p.name, verb, value, err)
		}
	}
}

func (p *tab) say(verb string, with args) (s string) {
	p.t.Helper()
	p.ask(verb, with, &s)
	return s
}

// visit goes to an address; the status of the page that came in the end.
func (p *tab) visit(url string) (status int) {
	p.t.Helper()
	p.ask("goto", args{"url": url}, &status)
	return status
}

func (p *tab) url() string { p.t.Helper(); return p.say("url", nil) }
func (p *tab) fill(selector, s string) {
	p.t.Helper()
	p.ask("fill", args{"selector": selector, "text": s}, nil)
}
func (p *tab) click(selector string)     { p.t.Helper(); p.ask("click", args{"selector": selector}, nil) }
func (p *tab) text(sel string) string    { p.t.Helper(); return p.say("text", args{"selector": sel}) }
func (p *tab) value(sel string) string   { p.t.Helper(); return p.say("value", args{"selector": sel}) }
func (p *tab) arrive(part string) string { p.t.Helper(); return p.say("arrive", args{"text": part}) }
func (p *tab) attribute(selector, name string) string {
	p.t.Helper()
	return p.say("attribute", args{"selector": selector, "text": name})
}

// await waits until the text at selector holds s (white space counts as one
// blank) and gives the whole text.
func (p *tab) await(selector, s string) string {
	p.t.Helper()
	return p.say("await", args{"selector": selector, "text": s})
}

func (p *tab) count(selector string) (n int) {
	p.t.Helper()
	p.ask("count", args{"selector": selector}, &n)
	return n
}

// screenshot keeps pictures of the page: by day, by night, on a telephone.
func (p *tab) screenshot(name string) {
	p.t.Helper()
	p.ask("screenshot", args{"text": name}, nil)
	p.ask("screenshot", args{"text": name + "-dark", "dark": true}, nil)
	p.ask("viewport", args{"width": 390, "height": 800}, nil)
	p.ask("screenshot", args{"text": name + "-phone"}, nil)
	p.ask("viewport", args{"width": 1100, "height": 760}, nil)
}

type download struct {
	Name string
	Size int
	MD5  string
	URL  string
	Head string
}

func (p *tab) download(selector string) (d download) {
	p.t.Helper()
	p.ask("download", args{"selector": selector}, &d)
	return d
}

type cookie struct {
	Name     string  `json:"name"`
	Value    string  `json:"value"`
	Domain   string  `json:"domain"`
	Path     string  `json:"path"`
	Expires  float64 `json:"expires"`
	HTTPOnly bool    `json:"httpOnly"`
	Secure   bool    `json:"secure"`
	SameSite string  `json:"sameSite"`
}

func (p *tab) cookies() (all []cookie) {
	p.t.Helper()
	p.ask("cookies", nil, &all)
	return all
}

type seen struct {
	Status int
	Method string
	URL    string
}

// seen lists every answer this tab has had.
func (p *tab) seen() (all []seen) {
	p.t.Helper()
	p.ask("seen", nil, &all)
	return all
}
