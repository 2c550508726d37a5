package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// pigeons is a SockJS server whose answers are given beforehand, one for each
// request for frames; after the last one it holds the line.
type pigeons struct {
	mu      sync.Mutex
	answers []string
	asked   []string
	sent    []string
	release chan struct{}
}

func (p *pigeons) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/xhr_send") {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.sent = append(p.sent, string(body))
		p.mu.Unlock()
		if string(body) == `["lost"]` {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Accept"))
	var answer string
	last := len(p.answers) == 0
	if !last {
		answer, p.answers = p.answers[0], p.answers[1:]
	}
	p.mu.Unlock()
	if answer == "404" {
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, answer)
	w.(http.Flusher).Flush()
	if last {
		select {
		case <-r.Context().Done():
		case <-p.release:
		}
	}
}

func (p *pigeons) open(t *testing.T, kind Transport, answers ...string) (*visitor, *sockJS, *inbox) {
	t.Helper()
	p.answers, p.release = answers, make(chan struct{})
	s := serve(t, p.ServeHTTP)
	t.Cleanup(func() { close(p.release) })
	v := visitorOf(t, s.URL+"/app/")
	in := newInbox(&v.net.bytesIn, nil)
	socket, err := v.dialSockJS(t.Context(), "/__sockjs__/n=1/000/abc/websocket", kind, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.close(); v.net.running.Wait() })
	return v, socket, in
}

// next reads messages as text until the given number or the end.
func (in *inbox) read(t *testing.T, n int) string {
	t.Helper()
	var all []string
	for range n {
		m, err := in.next(t.Context())
		if err != nil {
			return strings.Join(append(all, err.Error()), ", ")
		}
		all = append(all, m.text())
	}
	return strings.Join(all, ", ")
}

const (
	frameA  = `a["0#0|m|{\"config\":{}}"]`
	framesB = `a["1#0|m|{\"values\":{},\"errors\":{}}","2#0|m|{\"busy\":\"idle\"}","3#0|m|{\"custom\":{}}"]`
	wantAll = `"o", keys config, keys errors values, keys custom`
)

func TestFramesArriveByEveryTransport(t *testing.T) {
	prelude := strings.Repeat("h", 2048) + "\n"
	event := func(s string) string { return "data: " + s + "\r\n\r\n" }
	for kind, answers := range map[Transport][]string{
		XHR:          {"o\n", frameA + "\n", "h\n", framesB + "\n"},
		XHRStreaming: {prelude + "o\n" + frameA + "\n", prelude + "h\n" + framesB + "\n"},
		EventSource:  {"\r\n" + event("o") + event(frameA), "\r\n" + event("h") + ": comment\r\n" + event(framesB)},
	} {
		var p pigeons
		_, socket, in := p.open(t, kind, answers...)
		if got := in.read(t, 4); got != wantAll {
			t.Errorf("%s: read %s, want %s", kind, got, wantAll)
		}
		if err := socket.send(t.Context(), `["0#0|o|"]`); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		socket.close()
		p.mu.Lock()
		want := map[Transport]string{XHR: "POST /app/__sockjs__/n=1/000/abc/xhr */*", XHRStreaming: "POST /app/__sockjs__/n=1/000/abc/xhr_streaming */*", EventSource: "GET /app/__sockjs__/n=1/000/abc/eventsource text/event-stream"}[kind]
		if p.asked[0] != want || len(p.asked) < len(answers) || fmt.Sprint(p.sent) != `[["0#0|o|"]]` {
			t.Errorf("%s: asked %v, sent %v", kind, p.asked, p.sent)
		}
		p.mu.Unlock()
	}
}

func TestAnEventStreamsEscapesAreUndone(t *testing.T) {
	f := frameReader{in: bufio.NewReader(strings.NewReader("data: a[\"100%25 %0A %41\"]\r\n\r\n")), events: true}
	frame, err := f.next()
	if err != nil || string(frame) != "a[\"100% \n %41\"]" {
		t.Errorf("read %q (%v)", frame, err)
	}
}

func TestAnAnnouncedEndFailsTheSession(t *testing.T) {
	var p pigeons
	_, _, in := p.open(t, XHR, "o\n", `c[4705,"gone"]`+"\n")
	if got := in.read(t, 2); got != `"o", the server closed the session: 4705 gone` || endCode(in.failure()) != "4705" {
		t.Errorf("read %s", got)
	}
}

func TestASessionThatTheServerForgotFails(t *testing.T) {
	var p pigeons
	_, socket, in := p.open(t, XHRStreaming, "o\n", "404")
	if got := in.read(t, 2); got != `"o", xhr_streaming is answered 404, want 200` || faultKind(in.failure()) != "status 404" {
		t.Errorf("read %s", got)
	}
	if err := socket.send(t.Context(), `["lost"]`); faultKind(err) != "status 404" {
		t.Errorf("send: %v", err)
	}
}

func TestATransportThatIsNotThereIsAStatus(t *testing.T) {
	s := serve(t, http.NotFound)
	v := visitorOf(t, s.URL)
	if _, err := v.dialSockJS(t.Context(), "/x/websocket", XHR, newInbox(&v.net.bytesIn, nil)); faultKind(err) != "status 404" {
		t.Errorf("error is %v", err)
	}
	if _, err := v.dialWebSocket(t.Context(), "/x/websocket", newInbox(&v.net.bytesIn, nil)); faultKind(err) != "status 404" || !strings.Contains(err.Error(), "answered 404, want 101") {
		t.Errorf("error is %v", err)
	}
}

func TestTooManyUnreadMessagesFailTheSession(t *testing.T) {
	var p pigeons
	_, _, in := p.open(t, XHR, strings.Repeat(frameA+"\n", maxUnread+1))
	<-in.over
	if faultKind(in.failure()) != "unread" {
		t.Errorf("failed by %v", in.failure())
	}
}

func TestAFrameThatIsCutIsNoFrame(t *testing.T) {
	for _, body := range []string{`a["0|m`, "data: a"} {
		f := frameReader{in: bufio.NewReader(strings.NewReader(body)), events: strings.HasPrefix(body, "data")}
		if frame, err := f.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s is read as %q (%v)", body, frame, err)
		}
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add("o\n"+frameA+"\nh\n", false)
	f.Add("\r\ndata: o\r\n\r\n", true)
	f.Fuzz(func(t *testing.T, body string, events bool) {
		r := frameReader{in: bufio.NewReaderSize(strings.NewReader(body), 16), events: events}
		for {
			frame, err := r.next()
			if err != nil {
				return
			}
			if len(frame) == 0 {
				t.Fatal("an empty frame")
			}
		}
	})
}
