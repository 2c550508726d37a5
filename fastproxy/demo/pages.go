package demo

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").ParseFS(files, "pages/*.html"))

// asset returns an embedded file that a page links to.
func asset(name string) []byte {
	body, err := files.ReadFile("pages/" + name)
	if err != nil {
		panic("demo: no such asset: " + name) // a misspelt name of our own
	}
	return body
}

// writePage answers with one of the pocket Auth0's pages: no store, no frames,
// nothing from elsewhere.
func writePage(w http.ResponseWriter, status int, name string, fields map[string]any) {
	fields["CSS"] = "/demo.css"
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// same-origin and not no-referrer: with the latter browsers post our own
	// forms with "Origin: null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	body, err := renderPage(name, fields)
	if err != nil {
		http.Error(w, "demo: cannot write this page", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	w.Write(body)
}

func renderPage(name string, fields any) ([]byte, error) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, name, fields)
	return b.Bytes(), err
}

func serveCSS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	w.Write(asset("demo.css"))
}

// origin is scheme and host of a URL that was checked before.
func origin(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	return u.Scheme + "://" + u.Host
}

// initials are the first letters of the first and last word.
func initials(name string) string {
	words := strings.Fields(name)
	if len(words) == 0 {
		return "?"
	}
	if len(words) > 1 {
		words = []string{words[0], words[len(words)-1]}
	}
	var b strings.Builder
	for _, word := range words {
		for _, r := range word {
			b.WriteRune(unicode.ToUpper(r))
			break
		}
	}
	return b.String()
}
