package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// requestOnWay is one request on its way through the recorder.
type requestOnWay struct {
	entry *entry // nil: not recorded
	event recorded
	path  string // of the request, without its query
}

type onWayKey struct{}

// newProxy carries requests to the target and answers back.
func (r *recorder) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        r.rewrite,
		ModifyResponse: r.modify,
		ErrorHandler: func(w http.ResponseWriter, q *http.Request, err error) {
			r.drop(onWayOf(q))
			r.log.Warn("request failed", "path", q.URL.Path, "error", err)
			http.Error(w, "fastbench record: "+err.Error(), http.StatusBadGateway)
		},
		FlushInterval: -1,
		Transport: &http.Transport{
			DisableCompression: true, TLSClientConfig: r.net.tls.Clone(), MaxIdleConnsPerHost: 8,
			IdleConnTimeout: 4 * time.Second, // Shiny Server ends idle connections after 5 s
		},
	}
}

func onWayOf(q *http.Request) *requestOnWay {
	way, _ := q.Context().Value(onWayKey{}).(*requestOnWay)
	return way
}

func (r *recorder) drop(way *requestOnWay) {
	if way != nil && way.entry != nil {
		r.scribe.finish(way.entry, nil)
	}
}

var (
	homeShape     = regexp.MustCompile(`(?i)(/|\.rmd)$`)
	infoShape     = regexp.MustCompile(`/__sockjs__/(?:.*/)?n=(\w+)`)
	fallbackShape = regexp.MustCompile(`/__sockjs__/.*/(xhr_streaming|xhr_send|xhr|eventsource|htmlfile|jsonp_send|jsonp)$`)
)

// serveRequest passes a request on, and records a GET or POST.
func (r *recorder) serveRequest(w http.ResponseWriter, q *http.Request) {
	way := &requestOnWay{path: q.URL.Path}
	way.event = recorded{Begin: stamp(time.Now()), URL: q.URL.EscapedPath()}
	if q.URL.RawQuery != "" {
		way.event.URL += "?" + q.URL.RawQuery
	}
	way.event.Type = typeOf(q)
	if m := fallbackShape.FindStringSubmatch(way.path); m != nil {
		way.event.Type = ""
		r.log.Warn("the browser's messages do not go over a WebSocket, so they are not recorded", "transport", m[1])
	}
	if m := infoShape.FindStringSubmatch(way.path); m != nil && way.event.Type == reqInfo {
		r.scribe.learn(m[1], "${"+tokenRobust+"}")
	}
	if way.event.Type != "" {
		way.entry = r.scribe.begin()
		defer r.drop(way) // where no answer has finished it
	}
	if way.event.Type == reqPost && q.ContentLength != 0 && q.Body != nil {
		f, err := r.scribe.nextPost()
		if err != nil {
			http.Error(w, "fastbench record: "+err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		way.event.Datafile = filepath.Base(f.Name())
		q.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(q.Body, f), q.Body}
	}
	r.proxy.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), onWayKey{}, way)))
}

// typeOf is how a request is recorded; "" for not at all.
func typeOf(q *http.Request) EventType {
	path := q.URL.Path
	switch {
	case q.Method == http.MethodPost:
		return reqPost
	case q.Method != http.MethodGet || strings.HasSuffix(path, "favicon.ico"):
		return ""
	case infoShape.MatchString(path):
		return reqInfo
	case strings.Contains(path, "__token__"):
		return reqToken
	case homeShape.MatchString(path):
		return reqHome
	}
	return reqGet
}

// rewrite makes the browser's request one to the target.
func (r *recorder) rewrite(p *httputil.ProxyRequest) {
	home, out := r.net.home, p.Out
	out.URL.Scheme, out.URL.Host = home.Scheme, home.Host
	out.URL.Path, out.URL.RawPath = home.Path+p.In.URL.Path, home.EscapedPath()+p.In.URL.EscapedPath()
	out.URL.RawQuery = p.In.URL.RawQuery
	out.Host = home.Host
	r.address(out.Header, p.In)
	out.Header.Del("Accept-Encoding") // pages are read on the way
	if h := out.Header.Get("Host"); h != "" {
		out.Host = h
		out.Header.Del("Host")
	}
}

// address makes header lines that name the recorder name the target, and adds
// what the recorder knows.
func (r *recorder) address(h http.Header, in *http.Request) {
	here, there := "http://"+in.Host, r.net.home.Scheme+"://"+r.net.home.Host
	for _, name := range []string{"Origin", "Referer"} {
		if v := h.Get(name); v == here {
			h.Set(name, there)
		} else if rest, ok := strings.CutPrefix(v, here+"/"); ok {
			h.Set(name, there+r.net.home.EscapedPath()+"/"+rest)
		}
	}
	var cookies []string
	for _, c := range in.Cookies() {
		if !r.own[c.Name] {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	for name, values := range r.net.header {
		if http.CanonicalHeaderKey(name) == "Cookie" {
			cookies = append(cookies, values...)
			continue
		}
		h[http.CanonicalHeaderKey(name)] = values
	}
	h.Del("Cookie")
	if all := r.visitor.cookies(r.net.homeCall("/").to, cookies); all != "" {
		h.Set("Cookie", all)
	}
}

// modify looks at an answer before the browser gets it.
func (r *recorder) modify(res *http.Response) error {
	way := onWayOf(res.Request)
	if err := r.relocate(res); err != nil {
		return err
	}
	r.sortCookies(res)
	// They bind a browser to the target's own address.
	res.Header.Del("Strict-Transport-Security")
	res.Header.Del("Content-Security-Policy")
	if way == nil || way.entry == nil {
		return nil
	}
	if res.Header.Get("Location") != "" && res.StatusCode/100 == 3 && way.event.Type != reqPost {
		r.drop(way) // what it leads to is recorded, and a replay asks for that
		return nil
	}
	if way.event.Type == reqHome || way.event.Type == reqToken {
		if err := r.readPage(way, res); err != nil {
			return err
		}
	}
	way.event.Status = res.StatusCode
	res.Body = &watchedBody{ReadCloser: res.Body, over: func() {
		way.event.End = stamp(time.Now())
		r.scribe.finish(way.entry, &way.event)
	}}
	return nil
}

// relocate makes a redirect within the target one within the recorder. One
// that leads elsewhere is to a sign-in.
func (r *recorder) relocate(res *http.Response) error {
	location := res.Header.Get("Location")
	if location == "" {
		return nil
	}
	to, err := res.Request.URL.Parse(location)
	if err != nil {
		return fmt.Errorf("redirected to what is no URL")
	}
	if !r.net.isHome(to) {
		return fmt.Errorf("redirected to %s: nobody is signed in; --login or --oidc does that", clip(origin(to), 100))
	}
	rest, inside := strings.CutPrefix(to.EscapedPath(), r.net.home.EscapedPath()+"/")
	if !inside {
		return fmt.Errorf("redirected to %s, which is outside the app", clip(to.Path, 100))
	}
	there := &url.URL{Path: "/" + rest, RawQuery: to.RawQuery, Fragment: to.Fragment}
	if there.Path, err = url.PathUnescape("/" + rest); err == nil {
		there.RawPath = "/" + rest
	}
	res.Header.Set("Location", there.String())
	return nil
}

// sortCookies keeps the sign-in's cookies, and lets the browser keep the
// others under the recorder's address.
func (r *recorder) sortCookies(res *http.Response) {
	cookies := res.Cookies()
	res.Header.Del("Set-Cookie")
	for _, c := range cookies {
		if r.own[c.Name] {
			r.visitor.jar.SetCookies(r.net.homeCall("/").to, []*http.Cookie{c})
			continue
		}
		c.Domain, c.Secure, c.Path = "", false, "/"
		if c.SameSite == http.SameSiteNoneMode {
			c.SameSite = http.SameSiteLaxMode
		}
		res.Header.Add("Set-Cookie", c.String())
	}
}

// readPage learns from a page or from __token__.
func (r *recorder) readPage(way *requestOnWay, res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), res.Body), res.Body}
	if way.event.Type == reqToken {
		r.scribe.learn(strings.TrimSpace(string(body)), "${"+tokenToken+"}")
		return nil
	}
	if m := workerShape.FindSubmatch(body); m != nil {
		r.scribe.learn("_w_"+string(m[1])+"/", "_w_${"+tokenWorker+"}/")
	}
	r.scribe.sawPage(serverOf(body, res.Header))
	return nil
}

// serverOf tells servers apart by their page.
func serverOf(body []byte, h http.Header) string {
	switch {
	case strings.Contains(strings.Join(h.Values("Set-Cookie"), ";"), "rscid="):
		return typeConnect
	case bytes.Contains(body, []byte("shiny-server-client")), bytes.Contains(body, []byte("__assets__/")):
		return typeServer
	case shinyShape.Match(body):
		return typePlain
	}
	return typeUnknown
}

var shinyShape = regexp.MustCompile(`<script[^>]+src="[^"]*/?shiny(\.min)?\.js"`)

// watchedBody tells when an answer has been read to its end, or was given up.
type watchedBody struct {
	io.ReadCloser
	over func()
	once sync.Once
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.over)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.once.Do(b.over)
	return b.ReadCloser.Close()
}

func isUpgrade(q *http.Request) bool {
	return strings.EqualFold(q.Header.Get("Upgrade"), "websocket")
}
