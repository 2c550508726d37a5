//go:build linux

package fastproxy_test

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a person does with the app of testdata/realworld/app.R, whoever let
// them in and whatever stands in front.

// sees waits until the app is alive in the tab: told who is there, plot drawn.
func sees(p *tab, who string) {
	p.t.Helper()
	p.await("#who", who)
	p.say("change", args{"selector": "#plot img", "name": "src", "text": ""})
}

// movesTheSlider drags it with the mouse and waits for another plot.
func movesTheSlider(p *tab) {
	p.t.Helper()
	plot, bins := p.attribute("#plot img", "src"), p.text("#bins")
	p.ask("slide", args{"selector": ".irs", "share": 0.5}, nil)
	p.say("change", args{"selector": "#plot img", "name": "src", "text": plot})
	if now := p.text("#bins"); now == bins {
		p.t.Errorf("the plot changed, yet the app still says %q", now)
	}
}

// uploads gives the app size random bytes and has R count and digest them.
func uploads(p *tab, size int) {
	p.t.Helper()
	name := filepath.Join(p.t.(*testing.T).TempDir(), "what R received.bin")
	content := make([]byte, size)
	rand.Read(content)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.ask("upload", args{"selector": "#file", "files": name}, nil)
	sum := md5.Sum(content)
	got := p.await("#uploaded", "md5 "+hex.EncodeToString(sum[:]))
	if want := fmt.Sprintf("what R received.bin\n%d bytes\n", size); !strings.HasPrefix(got, want) {
		p.t.Errorf("R says of the upload %q, want it to begin %q", got, want)
	}
}

// downloads fetches both files: a plain one, and one whose name is outside
// ASCII, to which Shiny redirects by a relative Location.
func downloads(p *tab) {
	p.t.Helper()
	plain := p.download("#data")
	if plain.Name != "faithful.csv" || !strings.HasPrefix(plain.Head, "\"eruptions\",\"waiting\"\n") {
		p.t.Errorf("downloaded %+v, want faithful.csv with R's data", plain)
	}
	umlaut := p.download("#umlaut")
	if umlaut.Name != "Übersicht – Kim Sørensen.txt" || umlaut.Head != "Grüße\n" {
		p.t.Errorf("downloaded %+v, want “Übersicht – Kim Sørensen.txt” with “Grüße”", umlaut)
	}
}

// bookmarks presses Shiny's own button; the address it offers must be the
// browser's.
func bookmarks(p *tab, base string) {
	p.t.Helper()
	p.click("[id='._bookmark_']")
	p.await(".modal-dialog", "This link stores the current state")
	link, err := url.Parse(p.value(".modal-dialog textarea"))
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(link.String(), base+"?_inputs_&") || link.Query().Get("n") == "" {
		p.t.Errorf("Shiny's bookmark is %s, want %s?_inputs_&n=…", link, base)
	}
	p.click(".modal-footer button")
	p.ask("gone", args{"selector": ".modal-backdrop"}, nil)
}

// usesTheApp is all of it.
func usesTheApp(p *tab, base string) {
	p.t.Helper()
	movesTheSlider(p)
	uploads(p, 3<<20)
	downloads(p)
	bookmarks(p, base)
}
