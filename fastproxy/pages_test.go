package fastproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html" // reads pages as browsers do, which is what hostile text is aimed at
)

const sampleID = "0123456789abcdef0123456789abcdef"

func renderSample(t *testing.T, s pageSample) (string, *html.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, s.template, pageData{sampleID, s.data}); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), doc
}

func asItIs(s string) string { return s }

// elements lists all elements of a page, of some names or of all.
func elements(doc *html.Node, names ...string) (list []*html.Node) {
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && (len(names) == 0 || slices.Contains(names, n.Data)) {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestEveryPageIsWholeAndNamesItsRequest(t *testing.T) {
	for _, s := range pageSamples(asItIs) {
		t.Run(s.name, func(t *testing.T) {
			source, doc := renderSample(t, s)
			balanced(t, source)
			for _, once := range []string{"html", "head", "title", "style", "main", "h1", "footer"} {
				if n := len(elements(doc, once)); n != 1 {
					t.Errorf("%d elements %s, want one", n, once)
				}
			}
			if lang := attr(elements(doc, "html")[0], "lang"); lang != "en" {
				t.Errorf("lang is %q", lang)
			}
			if textOf(elements(doc, "title")[0]) == "" || textOf(elements(doc, "h1")[0]) == "" {
				t.Error("no title or no heading")
			}
			if footer := textOf(elements(doc, "footer")[0]); footer != "Request id "+sampleID {
				t.Errorf("the footer says %q", footer)
			}
			if strings.Contains(source, "ZgotmplZ") || strings.Contains(source, "<no value>") {
				t.Error("the template refused a value of ours")
			}
			if strings.Contains(strings.ToLower(textOf(doc)), "fastproxy") {
				t.Error("the page talks about fastproxy, which visitors do not know")
			}
		})
	}
}

// balanced wants every element closed in turn, so that no browser has to guess.
func balanced(t *testing.T, source string) {
	var open []string
	for z := html.NewTokenizer(strings.NewReader(source)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
			return
		case html.StartTagToken:
			name, _ := z.TagName()
			if !slices.Contains([]string{"meta", "link", "input"}, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("%s ends within %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestEveryControlHasAName(t *testing.T) {
	for _, s := range pageSamples(asItIs) {
		t.Run(s.name, func(t *testing.T) {
			_, doc := renderSample(t, s)
			ids := make(map[string]bool)
			labels := make(map[string]string)
			for _, n := range elements(doc) {
				if id := attr(n, "id"); id != "" {
					if ids[id] {
						t.Errorf("two elements with id %s", id)
					}
					ids[id] = true
				}
				if n.Data == "label" {
					labels[attr(n, "for")] = textOf(n)
				}
			}
			for _, n := range elements(doc) {
				switch {
				case n.Data == "input" && attr(n, "type") != "hidden" && labels[attr(n, "id")] == "":
					t.Errorf("input %s has no label", attr(n, "name"))
				case (n.Data == "a" || n.Data == "button") && textOf(n) == "":
					t.Errorf("a link or button without words: %v", n.Attr)
				case n.Data == "svg" && attr(n, "aria-hidden") != "true":
					t.Error("a picture that is neither described nor hidden")
				}
				for _, key := range []string{"aria-describedby", "aria-labelledby", "for"} {
					if ref := attr(n, key); ref != "" && !ids[ref] {
						t.Errorf("%s names %q, which is not there", key, ref)
					}
				}
			}
		})
	}
}

// TestPagesKeepTheirPolicy checks what the Content-Security-Policy of page()
// would block, and what would tell somebody else that a page was opened.
func TestPagesKeepTheirPolicy(t *testing.T) {
	sum := sha256.Sum256([]byte(pageStyle))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; styleHash != want {
		t.Fatalf("the policy allows %s, want %s", styleHash, want)
	}
	for _, word := range []string{"url(", "@import", "//", "</", "\r"} {
		if strings.Contains(pageStyle, word) {
			t.Errorf("the style sheet has %q", word)
		}
	}
	for _, s := range pageSamples(asItIs) {
		t.Run(s.name, func(t *testing.T) {
			_, doc := renderSample(t, s)
			if got := elements(doc, "style")[0].FirstChild.Data; got != pageStyle {
				t.Error("the style sheet in the page is not the one that the hash is of")
			}
			if bad := elements(doc, "script", "base", "iframe", "object", "embed", "img", "image", "use", "foreignobject"); len(bad) > 0 {
				t.Errorf("the page has %s", bad[0].Data)
			}
			for _, n := range elements(doc) {
				for _, a := range n.Attr {
					checkAttribute(t, n.Data, a)
				}
			}
		})
	}
}

func checkAttribute(t *testing.T, element string, a html.Attribute) {
	if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "http-equiv" {
		t.Errorf("%s has the attribute %s=%q", element, a.Key, a.Val)
	}
	if !slices.Contains([]string{"href", "src", "srcset", "action", "formaction", "xlink:href", "poster", "ping"}, a.Key) {
		return
	}
	u, err := url.Parse(a.Val)
	switch {
	case err != nil:
		t.Errorf("%s %s: %v", element, a.Key, err)
	case element == "link" && u.Scheme == "data":
	case element == "a" && strings.HasPrefix(a.Val, samplePublic+"/"):
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(a.Val, "//"):
		t.Errorf("%s leads away: %s=%q", element, a.Key, a.Val)
	}
}

// TestHostileTextStaysText renders every page with texts made to break out.
// The page must be built of the very same elements and attributes.
func TestHostileTextStaysText(t *testing.T) {
	var kind []string
	for _, s := range pageSamples(asItIs) {
		_, doc := renderSample(t, s)
		kind = append(kind, shape(doc))
	}
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `</title></style></main><img src=x onerror=alert(1)>`, `" autofocus onfocus="alert(1)`,
		`' onmouseover='alert(1)`, "`onload=alert(1)`", `javascript:alert(1)`, `{{.Page}}`, "]]>--><!--", "&lt;script&gt;&#60;", "\x00<b>\xff\xfe</b>", "\u202e\u2028",
	} {
		for i, s := range pageSamples(func(s string) string { return s + hostile }) {
			source, doc := renderSample(t, s)
			if got := shape(doc); got != kind[i] {
				t.Errorf("%s with %q is built otherwise:\n%s\nwant\n%s", s.name, hostile, got, kind[i])
			}
			balanced(t, source)
		}
	}
}

// shape is a page without its texts.
func shape(doc *html.Node) string {
	var b strings.Builder
	for _, n := range elements(doc) {
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestLinksRunNoScript(t *testing.T) {
	for _, href := range []string{"javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x"} {
		for _, s := range []pageSample{
			{"message", "message.html", message{Status: 403, Title: "x", Links: []link{{Href: href, Label: "x"}}}},
			{"password", "password.html", passwordForm{Issuer: href}},
		} {
			_, doc := renderSample(t, s)
			for _, a := range elements(doc, "a") {
				u, err := url.Parse(attr(a, "href"))
				if err != nil || u.Scheme != "" {
					t.Errorf("%s: a link with %q became %q", s.name, href, attr(a, "href"))
				}
			}
		}
	}
}

func TestPasswordFormGivesBackWhatItGot(t *testing.T) {
	for _, back := range []string{"/", "/reports/?_inputs_&n=200&q=%C3%BC+%2B&amp;x=1", `/a?"><script>`, "/x?a='b'&c=`d`"} {
		_, doc := renderSample(t, pageSample{"", "password.html", passwordForm{ReturnTo: back, User: `k"i'm`, Token: "t-o_k"}})
		got := make(map[string]string)
		for _, n := range elements(doc, "input") {
			got[attr(n, "name")] = attr(n, "value")
		}
		if got["return_to"] != back || got["user"] != `k"i'm` || got["token"] != "t-o_k" || got["password"] != "" {
			t.Errorf("%q: the form sends %q", back, got)
		}
	}
}

func TestFaultIsReadWithTheField(t *testing.T) {
	_, doc := renderSample(t, pageSample{"", "password.html", passwordForm{User: "kim", Fault: "Wrong.", Wrong: true, Issuer: "/login?with=issuer"}})
	if n := len(elements(doc, "button")); n != 1 {
		t.Errorf("%d buttons, want one, so that Enter does what it says", n)
	}
	for _, n := range elements(doc, "input") {
		if attr(n, "type") == "hidden" {
			continue
		}
		if attr(n, "aria-describedby") != "fault" || attr(n, "aria-invalid") != "true" {
			t.Errorf("%s is not tied to the fault: %v", attr(n, "name"), n.Attr)
		}
		if hasAttr(n, "autofocus") != (attr(n, "name") == "password") {
			t.Errorf("%s: the cursor belongs into the empty field", attr(n, "name"))
		}
	}
}

// TestEveryCodeHasASample keeps the samples in step with what is said.
func TestEveryCodeHasASample(t *testing.T) {
	have := map[string]bool{"": true}
	for _, s := range pageSamples(asItIs) {
		if m, ok := s.data.(message); ok {
			have[m.Code] = true
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source files: ", err)
	}
	code := regexp.MustCompile(`\bCode(?:: | = |, [^=\n]* = \d+, )"(\w+)"`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllSubmatch(b, -1) {
			if !have[string(m[1])] {
				t.Errorf("%s says %s, which no sample page shows", name, m[1])
			}
		}
	}
}

func TestSpellSaysDurationsInWords(t *testing.T) {
	for in, want := range map[string]string{
		"12h0m0s": "12 hours", "1h0m0s": "1 hour", "1h30m0s": "1 hour 30 minutes", "168h0m0s": "7 days", "24h0m1s": "1 day 1 second", "45s": "45 seconds",
		"": "", "0s": "0s", "5ms": "5ms", "soon": "soon",
	} {
		if got := spell(in); got != want {
			t.Errorf("spell(%q) is %q, want %q", in, got, want)
		}
	}
}
