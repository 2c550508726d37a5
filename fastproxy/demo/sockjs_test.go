package demo_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"

	"github.com/fasthttp/websocket"
)

// quick are delays that tests can wait for.
func quick(change func(*demo.Timing)) demo.ShinyOptions {
	o := demo.ShinyOptions{Timing: demo.Timing{Ack: 10 * time.Millisecond}}
	if change != nil {
		change(&o.Timing)
	}
	return o
}

// sockjs is a SockJS WebSocket; next yields the strings inside its frames, and
// frames that hold none as they are.
type sockjs struct {
	t       *testing.T
	conn    *websocket.Conn
	waiting []string
}

func openSockJS(t *testing.T, base, path string) *sockjs {
	t.Helper()
	s := &sockjs{t: t, conn: dial(t, base+path, asKim)}
	if frame := s.next(); frame != "o" {
		t.Fatalf("first frame: %s", frame)
	}
	return s
}

func (s *sockjs) tryNext() (string, bool) {
	for len(s.waiting) == 0 {
		_, body, err := s.conn.ReadMessage()
		if err != nil {
			return "", false
		}
		s.waiting = unpack(s.t, string(body))
	}
	first := s.waiting[0]
	s.waiting = s.waiting[1:]
	return first, true
}

func (s *sockjs) next() string {
	s.t.Helper()
	text, ok := s.tryNext()
	if !ok {
		s.t.Fatal("the socket ended")
	}
	return text
}

// until skips to a string that contains what.
func (s *sockjs) until(what string) string {
	s.t.Helper()
	for {
		text := s.next()
		if strings.Contains(text, what) {
			return text
		}
		if strings.HasPrefix(text, "c[") {
			s.t.Fatalf("waiting for %s: %s", what, text)
		}
	}
}

func (s *sockjs) send(messages ...string) {
	s.t.Helper()
	body, _ := json.Marshal(messages)
	if err := s.conn.WriteMessage(websocket.TextMessage, body); err != nil {
		s.t.Fatal(err)
	}
}

func unpack(t *testing.T, frame string) []string {
	t.Helper()
	rest, ok := strings.CutPrefix(frame, "a")
	if !ok {
		return []string{frame}
	}
	var messages []string
	if err := json.Unmarshal([]byte(rest), &messages); err != nil {
		t.Fatalf("frame %.100s: %v", frame, err)
	}
	return messages
}

// answer is a streaming answer, read line by line.
type answer struct {
	t    *testing.T
	resp *http.Response
	r    *bufio.Reader
}

func openStream(t *testing.T, to string) *answer {
	t.Helper()
	resp, err := browser(t).Do(request(t, http.MethodPost, to, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	a := &answer{t, resp, bufio.NewReader(resp.Body)}
	if prelude := a.frame(); prelude != strings.Repeat("h", 2048) {
		t.Fatalf("prelude: %.40q", prelude)
	}
	return a
}

func (a *answer) frame() string {
	line, _ := a.r.ReadString('\n')
	return strings.TrimSuffix(line, "\n")
}

const app = "/sockjs/__sockjs__/"

func TestInfoLetsEveryOriginIn(t *testing.T) {
	base, c := pocketShiny(t, quick(nil)), browser(t)
	resp, body := get(t, c, base+app+"n=abc/info?t=1", "Origin", "http://evil.example")
	wants(t, resp, http.StatusOK, body)
	if !regexp.MustCompile(`^{"websocket":true,"origins":\["\*:\*"\],"cookie_needed":false,"entropy":[0-9]+}$`).MatchString(body) {
		t.Errorf("info: %s", body)
	}
	h := resp.Header
	if h.Get("Access-Control-Allow-Origin") != "http://evil.example" || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Keep-Alive") != "timeout=5" {
		t.Errorf("header: %v", h)
	}
	resp, body = fetch(t, c, request(t, http.MethodOptions, base+app+"n=abc/000/s/xhr_send", "", "Access-Control-Request-Headers", "x-y"))
	wants(t, resp, http.StatusNoContent, body)
	if resp.Header.Get("Access-Control-Allow-Headers") != "x-y" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: %v", resp.Header)
	}
}

func TestOddSockJSRequestsAreAnsweredAsSockJSDoes(t *testing.T) {
	base, c := pocketShiny(t, quick(nil)), browser(t)
	for _, ask := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "", "", 200},
		{"GET", "000/a/xhr", "", 405},
		{"POST", "000/a/eventsource", "", 405},
		{"GET", "000/a/websocket", "", 400},
		{"GET", "websocket", "", 400},
		{"POST", "000/a.b/xhr", "", 404},
		{"GET", "000/a/jsonp", "", 404},
		{"POST", "n=x/000/unknown/xhr_send", `["x"]`, 404},
		{"POST", "n=x/000/unknown/xhr_send", ``, 500},
		{"POST", "n=x/000/unknown/xhr_send", `["x`, 500},
		{"POST", "n=x/000/unknown/xhr_send", `{"x":1}`, 500},
	} {
		resp, body := fetch(t, c, request(t, ask.method, base+app+ask.path, ask.body))
		wants(t, resp, ask.status, body)
	}
}

func TestWebSocketTransportSpeaksAllThreeLayers(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	s := openSockJS(t, base, app+"n=abcdefgh/000/12345678/websocket")
	s.send(`0#0|o|`)
	if config := s.next(); !strings.HasPrefix(config, `0#0|m|{"config":`) || !strings.Contains(config, `"user":null`) {
		t.Fatalf("config: %s", config)
	}
	s.send(`1#0|m|{"method":"init","data":{"rate:shiny.number":20}}`)
	if values := s.until(`"values"`); !strings.Contains(values, "data:image/svg+xml") || !strings.Contains(values, "HTTP_SHINY_SHARED_SECRET") {
		t.Errorf("values: %.300s", values)
	}
	s.until("ACK 2")
	s.until(`"tick":3`)
	// A string that is no array is one message, as in SockJS.
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(`"2#0|c|{\"code\":1000}"`)); err != nil {
		t.Fatal(err)
	}
	s.until("ACK 3")
}

func TestSessionBehindSockJSKnowsNobody(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	s := openSockJS(t, base, "/__sockjs__/n=root/000/12345678/websocket") // the app at the root
	s.send(`0#0|o|`, `1#0|m|{"method":"init","data":{}}`)
	if values := s.until(`"values"`); strings.Contains(values, "Dune") || strings.Contains(values, "X_AUTH0") {
		t.Errorf("values: %.300s", values)
	}
}

func TestOneSocketMayOpenAnotherAppByRelativePath(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	s := openSockJS(t, base, app+"n=walk/000/12345678/websocket")
	s.send(`0#0|o|../`, `1#0|m|{"method":"init","data":{}}`, `2#1|o|../nowhere/`)
	s.until(`"down_utf8"`) // an output of the app at the root
}

func TestRobustConnectionResumesWithoutLosingAMessage(t *testing.T) {
	for _, transport := range []string{"websocket", "xhr"} {
		base := pocketShiny(t, quick(nil))
		s := openSockJS(t, base, app+"n=robust/000/first123/websocket")
		s.send(`0#0|o|`, `1#0|m|{"method":"init","data":{"rate:shiny.number":20}}`)
		s.until(`"tick":2`)
		last := number(t, s.until(`"tick":3`))
		s.conn.NetConn().Close() // no Close frame, no ACK: the way a network goes

		var seen []string
		if transport == "websocket" {
			again := openSockJS(t, base, app+"o=robust/000/second12/websocket")
			if text := again.next(); text != "CONTINUE 2" {
				t.Fatalf("after reopening: %s", text)
			}
			again.send(fmt.Sprintf("CONTINUE %X", last+1))
			seen = append(seen, again.next(), again.next())
		} else {
			c := browser(t)
			post := func(what, body string) []string {
				resp, text := fetch(t, c, request(t, http.MethodPost, base+app+"o=robust/000/second12/"+what, body))
				if resp.StatusCode/100 != 2 {
					t.Fatalf("%s: %d %s", what, resp.StatusCode, text)
				}
				return unpack(t, strings.TrimSpace(text))
			}
			if got := append(post("xhr", ""), post("xhr", "")...); got[0] != "o" || got[1] != "CONTINUE 2" {
				t.Fatalf("after reopening: %v", got)
			}
			post("xhr_send", fmt.Sprintf(`["CONTINUE %X"]`, last+1))
			seen = post("xhr", "")
		}
		for i, text := range seen {
			if number(t, text) != last+1+uint64(i) {
				t.Errorf("%s: message %d is %.60s, want number %X", transport, i, text, last+1+uint64(i))
			}
		}
	}
}

func number(t *testing.T, text string) (n uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(text, "%X#", &n); err != nil {
		t.Fatalf("no number: %.60s", text)
	}
	return n
}

func TestRobustConnectionThatStaysAwayIsGone(t *testing.T) {
	base := pocketShiny(t, quick(func(tm *demo.Timing) { tm.Resume = 20 * time.Millisecond }))
	s := openSockJS(t, base, app+"n=gone/000/first123/websocket")
	s.send(`0#0|o|`)
	s.next()
	if text := openSockJS(t, base, app+"n=gone/000/other123/websocket").next(); text != `c[4705,"Unable to open connection"]` {
		t.Errorf("same id again: %s", text)
	}
	s.conn.Close()
	// To ask by o= would bring the connection back, and the wait would start anew.
	eventually(t, "the robust connection ends", func() bool {
		another := openSockJS(t, base, app+"n=gone/000/third123/websocket")
		defer another.conn.Close()
		_ = another.conn.WriteMessage(websocket.TextMessage, []byte(`["0#0|o|"]`)) // a refused one is closed by now
		text, ok := another.tryNext()
		return ok && text != `c[4705,"Unable to open connection"]`
	})
	if text := openSockJS(t, base, app+"o=never/000/second12/websocket").next(); text != `c[4705,"Your session could not be resumed on the server."]` {
		t.Errorf("nothing to resume: %s", text)
	}
}

func TestReopeningRetiresTheConnectionStillThere(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	s := openSockJS(t, base, app+"n=two/000/first123/websocket")
	s.send(`0#0|o|`)
	s.next()
	again := openSockJS(t, base, app+"o=two/000/second12/websocket")
	again.until("CONTINUE 1")
	if text := s.until("c[4506"); !strings.Contains(text, "retired") {
		t.Errorf("old connection: %s", text)
	}
}

func TestMessagesOutOfTurnEndTheConnection(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	for i, bad := range []string{"1#0|o|", "no number", "CONTINUE 0", "ACK 9", "0#x|o|", "0#0|z|"} {
		s := openSockJS(t, base, fmt.Sprintf("%sn=bad%d/000/first123/websocket", app, i))
		s.send(bad)
		s.until("c[4704")
	}
	for _, bad := range []string{"{", `["x"`, `5`} {
		s := openSockJS(t, base, app+"n=none/000/first123/websocket")
		s.conn.WriteMessage(websocket.TextMessage, []byte(bad))
		if text, ok := s.tryNext(); ok {
			t.Errorf("%s: got %s", bad, text)
		}
	}
}

func TestStreamingAnswerCarriesEachMessageAtOnce(t *testing.T) {
	base, c := pocketShiny(t, quick(nil)), browser(t)
	path := base + app + "n=streaming/123/abcdefgh/"
	a := openStream(t, path+"xhr_streaming")
	if kind := a.resp.Header.Get("Content-Type"); kind != "application/javascript; charset=UTF-8" || a.resp.TransferEncoding[0] != "chunked" {
		t.Errorf("header: %v %v", a.resp.Header, a.resp.TransferEncoding)
	}
	if frame := a.frame(); frame != "o" {
		t.Fatalf("first frame: %s", frame)
	}
	// Each message is asked for only after the one before has arrived.
	for n := range 5 {
		message := `["` + fmt.Sprintf("%X", n) + `#` + fmt.Sprint(n) + `|o|"]`
		resp, body := fetch(t, c, request(t, http.MethodPost, path+"xhr_send", message, "Content-Type", "text/plain"))
		wants(t, resp, http.StatusNoContent, body)
		for {
			text := unpack(t, a.frame())[0]
			if strings.Contains(text, fmt.Sprintf("#%d|m|{\"config\"", n)) {
				break
			}
			if !strings.HasPrefix(text, "ACK") {
				t.Fatalf("message %d: %s", n, text)
			}
		}
	}
	_, body := fetch(t, c, request(t, http.MethodPost, path+"xhr_streaming", ""))
	if !strings.HasSuffix(body, "c[2010,\"Another connection still open\"]\n") {
		t.Errorf("second answer: %.80q", body[2048:])
	}
}

func TestStreamingAnswerEndsWhenFullAndTheNextGoesOn(t *testing.T) {
	base, c := pocketShiny(t, quick(func(tm *demo.Timing) { tm.StreamSize = 5000 })), browser(t)
	path := base + app + "n=full/123/abcdefgh/"
	a := openStream(t, path+"xhr_streaming")
	a.frame()
	resp, body := fetch(t, c, request(t, http.MethodPost, path+"xhr_send", `["0#0|o|","1#0|m|{\"method\":\"init\",\"data\":{\"rate:shiny.number\":20}}"]`))
	wants(t, resp, http.StatusNoContent, body)
	var last uint64
	for round := range 3 {
		size := 0
		for {
			frame := a.frame()
			if frame == "" {
				break
			}
			size += len(frame) + 1
			for _, text := range unpack(t, frame) {
				if strings.Contains(text, "#") {
					if n := number(t, text); n != last && n != last+1 {
						t.Fatalf("message %X after %X", n, last)
					} else {
						last = n
					}
				}
			}
		}
		if size < 5000 {
			t.Errorf("answer %d ended after %d bytes", round, size)
		}
		a = openStream(t, path+"xhr_streaming")
	}
}

func TestIdleAnswersGetHeartbeats(t *testing.T) {
	base, c := pocketShiny(t, quick(func(tm *demo.Timing) { tm.Heartbeat = 10 * time.Millisecond })), browser(t)
	a := openStream(t, base+app+"n=idle/123/streams1/xhr_streaming")
	if o, h, again := a.frame(), a.frame(), a.frame(); o != "o" || h != "h" || again != "h" {
		t.Errorf("frames: %q %q %q", o, h, again)
	}
	poll := base + app + "n=idle2/123/polls123/xhr"
	if _, body := fetch(t, c, request(t, http.MethodPost, poll, "")); body != "o\n" {
		t.Errorf("first poll: %q", body)
	}
	if _, body := fetch(t, c, request(t, http.MethodPost, poll, "")); body != "h\n" {
		t.Errorf("second poll: %q", body)
	}
}

func TestEventSourceWrapsFramesAsEvents(t *testing.T) {
	base := pocketShiny(t, quick(func(tm *demo.Timing) { tm.Heartbeat = 10 * time.Millisecond }))
	resp, err := browser(t).Do(request(t, http.MethodGet, base+app+"n=events/123/abcdefgh/eventsource", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want := "\r\ndata: o\r\n\r\ndata: h\r\n\r\n"
	got := make([]byte, len(want))
	r := bufio.NewReader(resp.Body)
	for i := range got {
		got[i], _ = r.ReadByte()
	}
	if string(got) != want || resp.Header.Get("Content-Type") != "text/event-stream; charset=UTF-8" {
		t.Errorf("events: %q %v", got, resp.Header)
	}
}

func TestSilentWebSocketIsClosedAfterTheHeartbeat(t *testing.T) {
	base := pocketShiny(t, quick(func(tm *demo.Timing) { tm.Heartbeat, tm.Pong = 5*time.Millisecond, 20*time.Millisecond }))
	silent := openSockJS(t, base, app+"n=mute/000/silent12/websocket")
	silent.conn.SetPingHandler(func(string) error { return nil })
	if text := silent.next(); text != `c[3000,"No response from heartbeat"]` {
		t.Errorf("silent: %s", text)
	}
}

func TestSessionNobodyFetchesFromEnds(t *testing.T) {
	base, c := pocketShiny(t, quick(func(tm *demo.Timing) { tm.Disconnect = 10 * time.Millisecond })), browser(t)
	poll := base + app + "123/polls123/xhr"
	fetch(t, c, request(t, http.MethodPost, poll, ""))
	eventually(t, "the session ends", func() bool {
		resp, _ := fetch(t, c, request(t, http.MethodPost, poll+"_send", `["0|o|"]`))
		return resp.StatusCode == http.StatusNotFound
	})
}

func TestRawWebSocketHasNoFrames(t *testing.T) {
	base := pocketShiny(t, quick(nil))
	conn := dial(t, base+app+"websocket", nil)
	conn.WriteMessage(websocket.TextMessage, []byte("0|o|"))
	_, body, err := conn.ReadMessage()
	if err != nil || !strings.HasPrefix(string(body), `0|m|{"config"`) {
		t.Errorf("raw: %s %v", body, err)
	}
}
