package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestShinyGetsTheseVeryBytes(t *testing.T) {
	p := Principal{
		Method: MethodOIDC, Issuer: issuer, Subject: "auth0|5ad%41",
		Email: "kim+50%@example.org", EmailVerified: VerifiedYes,
		Name: "Kim Jürgens, 漢", Nickname: " kim\r\nX-Evil: 1", Picture: "https://p.example/a%20b/ü,.png", Locale: "de",
		Groups: []string{"Admin", "a,b", "100%", " edge ", "Füße", "in ner", "q\"\\", "😀"},
	}
	want := strings.Join([]string{
		`X-Auth0-User-Id: auth0|5ad%41`,
		`X-Auth0-Email: kim+50%25@example.org`,
		`X-Auth0-Groups: Admin,a%2Cb,100%25,%20edge%20,F%C3%BC%C3%9Fe,in ner,q"\,%F0%9F%98%80`,
		`X-Auth0-Name: Kim J%C3%BCrgens, %E6%BC%A2`,
		`X-Auth0-Nickname: %20kim%0D%0AX-Evil: 1`,
		`X-Auth0-Picture: https://p.example/a%20b/%C3%BC,.png`,
		`X-Auth0-Locale: de`,
		`Shiny-Server-Credentials: {"user":"auth0|5ad%41","groups":["Admin","a,b","100%"," edge ","F\u00FC\u00DFe","in ner","q\"\\","\uD83D\uDE00"]}`,
	}, "\r\n") + "\r\n"
	if got := string(p.AppendHeaders([]byte("before"))); got != "before"+want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	checkLines(t, &p)
}

func TestWhatIsNotKnownHasNoLine(t *testing.T) {
	p := FromPasswd("jürgen%", nil)
	want := "X-Auth0-User-Id: j%C3%BCrgen%25\r\nShiny-Server-Credentials: {\"user\":\"j\\u00FCrgen%\",\"groups\":[]}\r\n"
	if got := string(p.AppendHeaders(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnUnverifiedAddressIsWithheld(t *testing.T) {
	for v, want := range map[Verified]bool{VerifiedUnknown: true, VerifiedYes: true, VerifiedNo: false} {
		p := Principal{Method: MethodOIDC, Subject: "s", Email: "kim@example.org", EmailVerified: v}
		if got := bytes.Contains(p.AppendHeaders(nil), []byte("X-Auth0-Email: ")); got != want {
			t.Errorf("verified %d: sent %t", v, got)
		}
	}
}

func TestTooManyGroupsAreCutBetweenTwoOfThem(t *testing.T) {
	p := Principal{Method: MethodOIDC, Subject: "s"}
	for i := range 2000 {
		p.Groups = append(p.Groups, fmt.Sprintf("Abteilung für Nummer %d", i))
	}
	if !p.HeadersTruncated() {
		t.Error("not said to be truncated")
	}
	sent := sentGroups(t, &p)
	if n := len(sent); n < 100 || n == len(p.Groups) || !slices.Equal(sent, p.Groups[:n]) {
		t.Errorf("%d groups sent, or not the first ones", n)
	}
	// Node's limit for a whole head, less room for the other lines.
	if n := len(p.AppendHeaders(nil)); n > 13<<10 {
		t.Errorf("%d bytes of headers", n)
	}
	p.Groups = p.Groups[:10]
	if p.HeadersTruncated() {
		t.Error("ten groups said to be truncated")
	}
	p.Groups = []string{strings.Repeat("x", 20<<10)}
	if !p.HeadersTruncated() || strings.Contains(string(p.AppendHeaders(nil)), "X-Auth0-Groups") {
		t.Error("a group that cannot be sent whole was sent")
	}
}

func TestTheSessionPageListsWhatIsSent(t *testing.T) {
	p := Principal{Method: MethodOIDC, Subject: "s", Name: "Jürgen", Groups: []string{"a", "b"}}
	var lines strings.Builder
	for _, h := range p.Headers() {
		fmt.Fprintf(&lines, "%s: %s\r\n", h.Name, h.Value)
		variable := "HTTP_" + strings.ToUpper(strings.ReplaceAll(h.Name, "-", "_"))
		if h.Name != "Shiny-Server-Credentials" && !strings.Contains(h.R, "session$request$"+variable) {
			t.Errorf("%s is read by %q", h.Name, h.R)
		}
	}
	if got := string(p.AppendHeaders(nil)); got != lines.String() {
		t.Errorf("listed %q, sent %q", lines.String(), got)
	}
}

// sentGroups reads the groups back from both headers and wants them equal.
func sentGroups(t *testing.T, p *Principal) []string {
	t.Helper()
	var groups []string
	credentials := struct{ Groups []string }{}
	for _, h := range p.Headers() {
		switch h.Name {
		case "X-Auth0-Groups":
			for g := range strings.SplitSeq(h.Value, ",") {
				g, err := url.PathUnescape(g)
				if err != nil {
					t.Fatal(err)
				}
				groups = append(groups, g)
			}
		case "Shiny-Server-Credentials":
			if err := json.Unmarshal([]byte(h.Value), &credentials); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(groups, credentials.Groups) {
		t.Fatalf("X-Auth0-Groups says %q, Shiny-Server-Credentials %q", groups, credentials.Groups)
	}
	return groups
}

// checkLines wants printable ASCII lines with names that only we may send, no
// spaces that a parser would trim, and values that decode to what was meant.
func checkLines(t *testing.T, p *Principal) {
	t.Helper()
	lines := strings.Split(string(p.AppendHeaders(nil)), "\r\n")
	for _, line := range lines[:len(lines)-1] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || value == "" || value != strings.TrimSpace(value) || !IsReserved([]byte(name)) {
			t.Fatalf("line %q", line)
		}
		for i := range len(line) {
			if line[i] < ' ' || line[i] > '~' {
				t.Fatalf("line %q holds byte %#x", line, line[i])
			}
		}
		if name == "X-Auth0-Name" {
			if got, err := url.PathUnescape(value); err != nil || got != p.Name {
				t.Fatalf("name %q was sent as %q", p.Name, value)
			}
		}
	}
	sent := sentGroups(t, p)
	if !slices.Equal(sent, p.Groups[:len(sent)]) || len(sent) < len(p.Groups) != p.HeadersTruncated() {
		t.Fatalf("groups %q were sent as %q", p.Groups, sent)
	}
}
