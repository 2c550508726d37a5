package bench

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	// x/net/html parses pages as browsers do: login pages of identity providers
	// are anybody's HTML, which no regular expression reads.
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlPage is what a sign-in looks at in a page.
type htmlPage struct {
	at    *url.URL
	title string
	alert string // what stands in role=alert: why a form came back
	forms []*form
	links []*url.URL
}

// form is one of a page.
type form struct {
	action  *url.URL
	named   bool // the page says where it goes
	method  string
	fields  []field // in their order
	buttons []field
}

type field struct{ kind, name, value string }

// readPage reads as much of a page as it understands.
func readPage(body []byte, at *url.URL) *htmlPage {
	p := &htmlPage{at: at}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return p
	}
	p.walk(root, nil)
	return p
}

func (p *htmlPage) walk(n *html.Node, in *form) {
	if n.Type == html.ElementNode {
		in = p.element(n, in)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.walk(c, in)
	}
}

// element takes in what it is and returns the form that its children are in.
func (p *htmlPage) element(n *html.Node, in *form) *form {
	if attributeOf(n, "role") == "alert" && p.alert == "" {
		p.alert = words(n)
	}
	switch n.DataAtom {
	case atom.Title:
		if p.title == "" {
			p.title = words(n)
		}
	case atom.Base:
		if u, err := p.at.Parse(attributeOf(n, "href")); err == nil {
			p.at = u
		}
	case atom.A:
		if u, err := p.at.Parse(attributeOf(n, "href")); err == nil {
			p.links = append(p.links, u)
		}
	case atom.Form:
		in = &form{method: http.MethodGet, action: p.at, named: attributeOf(n, "action") != ""}
		if strings.EqualFold(attributeOf(n, "method"), "post") {
			in.method = http.MethodPost
		}
		if u, err := p.at.Parse(attributeOf(n, "action")); err == nil && in.named {
			in.action = u
		}
		p.forms = append(p.forms, in)
	case atom.Input, atom.Button, atom.Select, atom.Textarea:
		if in != nil && !hasAttribute(n, "disabled") {
			in.take(n)
		}
	}
	return in
}

// take adds a control as a browser would send it when nobody touches it.
func (f *form) take(n *html.Node) {
	c := field{kind: strings.ToLower(attributeOf(n, "type")), name: attributeOf(n, "name"), value: attributeOf(n, "value")}
	switch n.DataAtom {
	case atom.Button:
		if c.kind == "" || c.kind == "submit" {
			f.buttons = append(f.buttons, c)
		}
		return
	case atom.Select:
		c.kind, c.value = "select", chosen(n)
	case atom.Textarea:
		c.kind, c.value = "textarea", words(n)
	}
	switch c.kind {
	case "submit", "image":
		f.buttons = append(f.buttons, c)
	case "button", "reset", "file":
	case "checkbox", "radio":
		if hasAttribute(n, "checked") {
			if !hasAttribute(n, "value") {
				c.value = "on"
			}
			f.fields = append(f.fields, c)
		}
	default:
		f.fields = append(f.fields, c)
	}
}

// chosen is the value of a select's chosen option, or of its first.
func chosen(n *html.Node) string {
	var first, marked *html.Node
	for o := range n.Descendants() {
		if o.DataAtom != atom.Option {
			continue
		}
		if first == nil {
			first = o
		}
		if hasAttribute(o, "selected") {
			marked = o
		}
	}
	if marked == nil {
		marked = first
	}
	switch {
	case marked == nil:
		return ""
	case hasAttribute(marked, "value"):
		return attributeOf(marked, "value")
	}
	return words(marked)
}

func attributeOf(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}

func hasAttribute(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// words is the text in n, its white space collapsed.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// secret is the form's password field; nil if it has none.
func (f *form) secret() *field {
	for i := range f.fields {
		if f.fields[i].kind == "password" && f.fields[i].name != "" {
			return &f.fields[i]
		}
	}
	return nil
}

// user is the field that a name goes into: one that is named so, else the
// first that takes text; nil if there is none.
func (f *form) user() *field {
	var first *field
	for i := range f.fields {
		c := &f.fields[i]
		switch c.kind {
		case "", "text", "email", "tel":
		default:
			continue
		}
		if c.name == "" {
			continue
		}
		if first == nil {
			first = c
		}
		for _, word := range []string{"user", "email", "login", "identifier"} {
			if strings.Contains(strings.ToLower(c.name), word) {
				return c
			}
		}
	}
	return first
}

// button is the one to press: that of the person, else the first that does not
// lead away.
func (f *form) button(person string) *field {
	var first *field
	for i := range f.buttons {
		b := &f.buttons[i]
		if person != "" && b.value == person {
			return b
		}
		if first == nil && !leadsAway(b) {
			first = b
		}
	}
	return first
}

// leadsAway tells a button that does not continue the sign-in.
func leadsAway(b *field) bool {
	text := strings.ToLower(b.name + " " + b.value)
	for _, word := range []string{"cancel", "deny", "decline", "abort", "back", "reset", "forgot", "register", "signup", "connection"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// values is what the form sends when pressed is pressed.
func (f *form) values(pressed *field) url.Values {
	v := url.Values{}
	for _, c := range f.fields {
		if c.name != "" {
			v.Add(c.name, c.value)
		}
	}
	if pressed != nil && pressed.name != "" {
		v.Add(pressed.name, pressed.value)
	}
	return v
}
