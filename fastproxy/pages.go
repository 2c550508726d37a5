package fastproxy

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

var (
	pageStyle     = mustRead("pages/style.css")
	pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(pageStyle) },
		"spell": spell,
	}).ParseFS(pageFiles, "pages/*.html"))
	// The one style sheet is in the page; its hash is all that the policy allows.
	styleHash = func() string {
		sum := sha256.Sum256([]byte(pageStyle))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}()
)

func mustRead(name string) string {
	b, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// message is something that the visitor is told: as a page, or as JSON where
// no person reads.
type message struct {
	Status     int
	Code       string // for programs; fixed words
	Title      string
	Text       string
	Detail     string // from elsewhere, shown as a quotation
	Operator   string // what whoever runs this server can do; apart from what visitors read
	Line       string // a setting to copy, under Operator
	RetryAfter int    // seconds
	Links      []link
	Framed     bool // the page is shown inside another
	Login      string
}

// link is something to do next.
type link struct {
	Href, Label string
	Primary     bool
	Top         bool // leaves the frame
}

// say answers with a message.
func (p *Proxy) say(x *exchange, m message) {
	if x.head.wantsPage() {
		p.page(x, m.Status, "message.html", m, m.frameRule(), m.RetryAfter)
		return
	}
	body, err := json.Marshal(struct {
		Error     string `json:"error"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
		Login     string `json:"login,omitempty"`
	}{m.Code, m.Title, x.id, m.Login})
	if err != nil {
		panic(err) // strings always marshal
	}
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; frame-ancestors 'none'")
		if m.Status == 401 {
			// RFC 9110 section 15.5.2: a 401 names what would help.
			ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
		}
		retryAfter(ctx, m.RetryAfter)
		ctx.SetContentType("application/json")
		ctx.SetStatusCode(m.Status)
		ctx.SetBody(body)
	})
}

// frameRule is who may show the page inside a page of theirs: nobody, but for
// the page that is made to stand in a frame, which does nothing but link out.
func (m *message) frameRule() string {
	if m.Framed {
		return ""
	}
	return "; frame-ancestors 'none'"
}

// pageData is what every template sees.
type pageData struct {
	RequestID string
	Page      any
}

// page answers with one of our pages.
func (p *Proxy) page(x *exchange, status int, name string, data any, frames string, retry int) {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, name, pageData{x.id, data}); err != nil {
		panic(err) // templates are ours, and tested with every data they get
	}
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; style-src "+styleHash+"; img-src data:; base-uri 'none'"+frames)
		// An app is of our origin: one that opened this page in a window could
		// read from it what is typed there.
		ctx.Response.Header.Set("Cross-Origin-Opener-Policy", "same-origin")
		retryAfter(ctx, retry)
		ctx.SetContentType("text/html; charset=utf-8")
		ctx.SetStatusCode(status)
		ctx.SetBody(b.Bytes())
	})
}

const noFrames = "; frame-ancestors 'none'"

// ownHeaders sets what every answer of ours carries.
func ownHeaders(ctx *fasthttp.RequestCtx, policy string) {
	h := &ctx.Response.Header
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
}

func retryAfter(ctx *fasthttp.RequestCtx, seconds int) {
	if seconds > 0 {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(seconds))
	}
}

// redirect sends the visitor to a location, byte for byte.
func (p *Proxy) redirect(x *exchange, status int, location string) {
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; frame-ancestors 'none'")
		ctx.SetStatusCode(status)
		// Not ctx.Redirect: it would write the location anew.
		ctx.Response.Header.Set("Location", location)
	})
}

// answerStatus answers without a body.
func (p *Proxy) answerStatus(x *exchange, status int) {
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; frame-ancestors 'none'")
		ctx.SetStatusCode(status)
	})
}

// refuseHead answers a head that the scan refused. Nothing of it is trusted,
// not even what kind of answer it wants, and nothing follows it.
func (p *Proxy) refuseHead(x *exchange, err *scanError) {
	clear(x.head.lines)
	x.head = head{lines: x.head.lines[:0]}
	x.body = bodyReader{}
	x.closing = true
	x.client = x.c.peer
	x.ctx.Init2(x.c.nc, discardLogger{}, true)
	x.reason = err.reason
	p.metrics.refusedHeads.Inc()
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; frame-ancestors 'none'")
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetStatusCode(err.status)
		ctx.SetBodyString(err.reason + "\n")
	})
	p.finished(x)
}

// spell turns a duration as time.Duration prints it into words: 12h0m0s is
// "12 hours". What is none stays as it is.
func spell(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return s
	}
	var words []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch n := d / u.size; {
		case n == 1:
			words = append(words, "1 "+u.name)
		case n > 1:
			words = append(words, fmt.Sprintf("%d %ss", n, u.name))
		}
		d %= u.size
	}
	if len(words) == 0 {
		return s
	}
	return strings.Join(words, " ")
}

func withQuery(path string, query []byte) string {
	if query == nil {
		return path
	}
	return path + "?" + string(query)
}
