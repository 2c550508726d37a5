package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
)

// sockjsPath is a path below an app's __sockjs__.
type sockjsPath struct {
	app    string // the app's path, ending in "/"
	robust string // id of n= or o=; empty for none
	reopen bool   // o=
	rest   string // what follows: "info", "000/abcd1234/xhr", ""
}

// Path parameters come in the order n, o, t, w, s. Open-source Shiny Server
// knows the first two.
var sockjsShape = regexp.MustCompile(`^(/|/.*/)__sockjs__(?:/([no])=(\w*))?(?:/[tws]=[^/]*)*(?:/(.*))?$`)

func parseSockJSPath(p string) (sockjsPath, bool) {
	m := sockjsShape.FindStringSubmatch(p)
	if m == nil {
		return sockjsPath{}, false
	}
	at := sockjsPath{app: m[1], robust: m[3], reopen: m[2] == "o", rest: m[4]}
	if at.robust == "none" {
		at.robust = ""
	}
	return at, true
}

// transportPath is <server>/<session>/<transport>: neither of the first two may
// be empty or have a dot.
var transportPath = regexp.MustCompile(`^([^/.]+)/([^/.]+)/(xhr_streaming|xhr_send|xhr|eventsource|websocket)$`)

// serveSockJS answers everything under __sockjs__/ as the sockjs package for
// Node does inside Shiny Server.
func (s *Shiny) serveSockJS(w http.ResponseWriter, r *http.Request, at sockjsPath) {
	keepAlive(w)
	switch {
	case at.rest == "info":
		s.serveInfo(w, r)
		return
	case at.rest == "" && r.Method == http.MethodGet:
		plainText(w, http.StatusOK, "Welcome to SockJS!\n")
		return
	case at.rest == "websocket":
		s.serveRawSocket(w, r, at)
		return
	}
	m := transportPath.FindStringSubmatch(at.rest)
	if m == nil {
		notFound(w)
		return
	}
	name := at.app + "\x00" + m[1] + "/" + m[2]
	transport, method := m[3], http.MethodPost
	if transport == "eventsource" || transport == "websocket" {
		method = http.MethodGet
	}
	switch {
	case r.Method == http.MethodOptions && method == http.MethodPost:
		preflight(w, r, "OPTIONS, POST")
		return
	case r.Method != method:
		w.Header().Set("Allow", "OPTIONS, "+method)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if transport == "websocket" {
		s.serveSockJSSocket(w, r, at, name)
		return
	}
	cors(w, r)
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
	if transport == "xhr_send" {
		s.serveSend(w, r, name)
		return
	}
	s.serveResponse(w, r, at, name, transport)
}

// serveInfo tells a client what it may use.
func (s *Shiny) serveInfo(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		preflight(w, r, "OPTIONS, GET")
		return
	}
	cors(w, r)
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	fmt.Fprintf(w, `{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":%d}`, rand.Uint32())
}

// cors lets every origin in, with credentials: what the real one does, and the
// reason why a proxy with cookies must look at Origin itself.
func cors(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		origin = "*"
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Vary", "Origin")
	h.Set("Access-Control-Allow-Credentials", "true")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
}

func preflight(w http.ResponseWriter, r *http.Request, methods string) {
	cors(w, r)
	h := w.Header()
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "31536000")
	h.Set("Cache-Control", "public, max-age=31536000")
	w.WriteHeader(http.StatusNoContent)
}

// serveSend takes messages of a browser that cannot send them on a socket.
func (s *Shiny) serveSend(w http.ResponseWriter, r *http.Request, name string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		plainText(w, http.StatusRequestEntityTooLarge, "Payload too large.")
		return
	}
	messages, fault := readMessages(body)
	if fault != "" {
		plainText(w, http.StatusInternalServerError, fault)
		return
	}
	c, _ := s.carriageFor(name, false)
	if c == nil {
		notFound(w)
		return
	}
	c.hear(messages)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(http.StatusNoContent)
}

// readMessages reads the JSON array of strings that clients send. The faults
// are in the words of SockJS's own protocol test.
func readMessages(body []byte) (messages []string, fault string) {
	if len(strings.TrimSpace(string(body))) == 0 {
		return nil, "Payload expected."
	}
	if !json.Valid(body) {
		return nil, "Broken JSON encoding."
	}
	if json.Unmarshal(body, &messages) != nil || messages == nil {
		return nil, "Payload expected."
	}
	return messages, ""
}

// connect gives a new carriage somebody to talk to.
func (s *Shiny) connect(c *carriage, at sockjsPath) {
	if at.robust != "" {
		s.robust(c, at)
		return
	}
	c.listen(newSwitchboard(s, at.app, c))
}
