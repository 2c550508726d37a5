package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func visitorOf(t *testing.T, address string, more ...func(*Target, *SignIn)) *visitor {
	t.Helper()
	target, in := Target{URL: address}, SignIn{}
	for _, change := range more {
		change(&target, &in)
	}
	n, err := newNetwork(&target, &in)
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitor(n)
	t.Cleanup(v.close)
	return v
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestAVisitorKeepsOneConnectionAndItsCookies(t *testing.T) {
	var remotes []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		remotes = append(remotes, r.RemoteAddr)
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: fmt.Sprint(len(remotes)), Path: "/"})
		fmt.Fprintf(w, "%s %s cookie=%s a=%s", r.Method, r.RequestURI, r.Header.Get("Cookie"), r.Header.Get("A"))
	})
	v := visitorOf(t, s.URL+"/app/", func(t *Target, _ *SignIn) { t.Header = http.Header{"A": {"b"}, "Cookie": {"own=1"}} })
	for i, want := range []string{
		"GET /app/x?a=%zz&b[]=1 cookie=own=1 a=b",
		"GET /app/x?a=%zz&b[]=1 cookie=own=1; seen=1 a=b",
	} {
		c := v.net.homeCall("/x?a=%zz&b[]=1")
		c.want = 1000
		a, err := v.do(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if string(a.body) != want {
			t.Errorf("request %d: %s, want %s", i, a.body, want)
		}
	}
	if remotes[0] != remotes[1] {
		t.Errorf("came from %s, want one connection", remotes)
	}
}

func TestAVisitorReadsWhatIsPackedAndCountsWhatItDoesNotWant(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/packed" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, strings.Repeat("page ", 1000))
			z.Close()
			return
		}
		w.Write(make([]byte, 100_000))
	})
	v := visitorOf(t, s.URL)
	c := v.net.homeCall("/packed")
	c.want = 1 << 20
	a, err := v.do(t.Context(), c)
	if err != nil || len(a.body) != 5000 {
		t.Fatalf("read %d bytes (%v), want 5000", len(a.body), err)
	}
	before := v.net.bytesIn.Load()
	if _, err := v.do(t.Context(), v.net.homeCall("/raw")); err != nil {
		t.Fatal(err)
	}
	if n := v.net.bytesIn.Load() - before; n != 100_000 {
		t.Errorf("counted %d bytes, want 100000", n)
	}
}

func TestAVisitorFollowsRedirectsOfItsTargetOnly(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { strayed.Add(1) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a/":
			http.Redirect(w, r, "b?c=d", http.StatusFound)
		case "/a b/%/":
			http.Redirect(w, r, "c", http.StatusFound)
		case "/away":
			http.Redirect(w, r, elsewhere.URL+"/secret?token=1", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			io.WriteString(w, r.RequestURI)
		}
	})
	v := visitorOf(t, s.URL)
	c := v.net.homeCall("/a/")
	c.want = 100
	a, err := v.do(t.Context(), c)
	if err != nil || string(a.body) != "/a/b?c=d" || a.at.RequestURI() != "/a/b?c=d" {
		t.Errorf("arrived at %s (%v), want /a/b?c=d", a.body, err)
	}
	if a, err = v.do(t.Context(), v.net.homeCall("/a%20b/%25/")); err != nil || a.at.RequestURI() != "/a%20b/%25/c" {
		t.Errorf("arrived at %v (%v), want /a%%20b/%%25/c", a, err)
	}
	_, err = v.do(t.Context(), v.net.homeCall("/away"))
	if faultKind(err) != "redirect" || strings.Contains(err.Error(), "token") || strayed.Load() != 0 {
		t.Errorf("sent %d requests elsewhere (%v), want a redirect fault", strayed.Load(), err)
	}
	if _, err = v.do(t.Context(), v.net.homeCall("/loop")); faultKind(err) != "redirect" {
		t.Errorf("a loop is %v, want a redirect fault", err)
	}
}

func TestASignInMayLeaveForLoopbackButTakesNoHeaderAlong(t *testing.T) {
	var seen http.Header
	issuer := serve(t, func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	var to string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	v := visitorOf(t, s.URL, func(t *Target, in *SignIn) {
		t.Header = http.Header{"Authorization": {"Bearer x"}}
		in.AllowHosts = []string{"tenant.test"}
	})
	v.signingIn = true
	to = issuer.URL
	if _, err := v.do(t.Context(), v.net.homeCall("/")); err != nil {
		t.Fatal(err)
	}
	if seen.Get("Authorization") != "" {
		t.Error("the bearer token went to the issuer")
	}
	to = "http://issuer.example/authorize?client_id=x"
	if _, err := v.do(t.Context(), v.net.homeCall("/")); faultKind(err) != "redirect" || !strings.Contains(err.Error(), "--allow-host issuer.example") {
		t.Errorf("a foreign issuer: %v, want to be told of --allow-host", err)
	}
	if err := v.net.mayReach(&url.URL{Scheme: "https", Host: "Tenant.test"}, true); err != nil {
		t.Errorf("an allowed host: %v", err)
	}
	if err := v.net.mayReach(&url.URL{Scheme: "file", Host: ""}, true); err == nil {
		t.Error("file: is allowed")
	}
}

func TestAConnectionThatTheServerClosedIsNotUsedAgain(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	v := visitorOf(t, s.URL)
	for range 3 {
		c := v.net.homeCall("/")
		c.method, c.body, c.length, c.want = "POST", strings.NewReader("once"), 4, 10
		a, err := v.do(t.Context(), c)
		if err != nil || string(a.body) != "once" {
			t.Fatalf("got %v, want what was sent", err)
		}
		s.CloseClientConnections()
	}
}

func TestABodyThatIsRefusedUnreadIsAStatus(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	v := visitorOf(t, s.URL)
	c := v.net.homeCall("/")
	c.method, c.length = "POST", 64<<20
	c.body = io.LimitReader(zeros{}, c.length)
	if a, err := v.do(t.Context(), c); err != nil || a.status != http.StatusRequestEntityTooLarge || len(v.kept) != 0 {
		t.Errorf("got %+v (%v), want 413 and no kept connection", a, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAVisitorLeavesWhenItsContextEnds(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
	})
	defer close(release)
	v := visitorOf(t, s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := v.do(ctx, v.net.homeCall("/")); !errors.Is(err, context.Canceled) || faultKind(err) != "interrupted" {
		t.Errorf("error is %v (%s), want interrupted", err, faultKind(err))
	}
	if len(v.kept) != 0 {
		t.Error("kept a connection with an answer to come")
	}
}

func TestATimeoutIsTold(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	v := visitorOf(t, s.URL, func(t *Target, _ *SignIn) { t.Timeout = 20 * time.Millisecond })
	if _, err := v.do(t.Context(), v.net.homeCall("/")); faultKind(err) != "timeout" {
		t.Errorf("error is %v (%s), want a timeout", err, faultKind(err))
	}
}

func TestFailuresAreCountedByKindWithOneSample(t *testing.T) {
	v := visitorOf(t, "http://127.0.0.1:1")
	_, refused := v.do(t.Context(), v.net.homeCall("/"))
	var c faultCount
	c.add(faultKind(refused), refused.Error())
	c.add("status 503", "first")
	c.add("status 503", "second")
	want := []Failure{{"status 503", 2, "first"}, {"refused", 1, refused.Error()}}
	if got := c.list(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestAnIdleVisitorCostsNoGoroutine(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	v := visitorOf(t, s.URL)
	if _, err := v.do(t.Context(), v.net.homeCall("/")); err != nil {
		t.Fatal(err)
	}
	if len(v.kept) != 1 {
		t.Fatal("the connection is not kept")
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("bench.(*visitor)")) || bytes.Contains(stacks, []byte("bench.(*exchange)")) {
		t.Errorf("a goroutine of the visitor's runs:\n%s", stacks)
	}
}

func TestTargetsThatAreNoneAreRefused(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:3838", "ftp://a/", "http:///x", "http://kim:secret@a/", "http://a/#/apps/1", "http://[::1"} {
		_, err := newNetwork(&Target{URL: address}, &SignIn{})
		var u *UsageError
		if !errors.As(err, &u) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want a UsageError", address, err)
		}
	}
	if _, err := newNetwork(&Target{URL: "http://a/", Sources: []string{"eth0"}}, &SignIn{}); err == nil {
		t.Error("a source that is no address is taken")
	}
}
