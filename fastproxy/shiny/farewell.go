package shiny

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
)

// Ending is why a client may not stay.
type Ending uint8

const (
	EndSignedOut Ending = iota
	EndExpired
	EndDenied
	EndShutdown // the proxy goes; the session does not
	numEndings
)

// The reasons are the visitor's: Shiny Server's client shows them.
var endingReasons = [numEndings]string{"Signed out", "Session expired", "Access denied", ""}

// Codes that go with an ending.
const (
	// codeDenied is Shiny Server's "access denied" (lib/proxy/errorcode.js).
	// A 45xx close is final for its client; it would retry 3000 and 46xx for
	// 15 s and open a new session after 47xx. It lies in the range that
	// RFC 6455 7.4.2 leaves to applications.
	codeDenied = 4500
	// codeGoingAway is RFC 6455 7.4.1's 1001: what a browser sends when its
	// page is left.
	codeGoingAway = 1001
)

var farewells = makeFarewells()

// Farewell returns the last bytes for a client of kind k, to be written at a
// frame boundary outside a fragmented message (WebSocket kinds: server
// frames, unmasked) or as one piece of body (XHR and EventSource kinds: bare
// payload; chunked framing is the caller's). nil means that nothing can be
// said and the connection is simply closed: that is so for EndShutdown,
// because Shiny Server's client takes a dropped connection as an accident and
// resumes the same R session within 15 s.
//
// A SockJS client believes only a c[] frame (a bare WebSocket close is
// "unclean" to it and retried), so that comes first on KindSockJSWebSocket.
//
// The bytes are shared: read only.
func Farewell(k Kind, e Ending) []byte {
	if int(k) >= NumKinds || e >= numEndings {
		return nil
	}
	return farewells[e][k]
}

// FarewellToBackend returns a new masked Close frame with code 1001, which
// tells Shiny that the browser has left. RFC 6455 5.3: every client frame has
// a mask of its own.
func FarewellToBackend() []byte {
	var mask [4]byte
	rand.Read(mask[:]) // never fails: crypto/rand ends the process instead
	frame := []byte{0x88, 0x80 | 2, mask[0], mask[1], mask[2], mask[3], 0, 0}
	binary.BigEndian.PutUint16(frame[6:], codeGoingAway)
	frame[6] ^= mask[0]
	frame[7] ^= mask[1]
	return frame
}

func makeFarewells() (all [numEndings][NumKinds][]byte) {
	for e, reason := range endingReasons {
		if reason == "" {
			continue
		}
		goAway := "c[" + strconv.Itoa(codeDenied) + `,"` + reason + `"]`
		closing := closeFrame(codeDenied, reason)
		of := &all[e]
		of[KindWebSocket] = closing
		of[KindSockJSRaw] = closing
		of[KindSockJSWebSocket] = append(textFrame(goAway), closing...)
		of[KindXHRStreaming] = []byte(goAway + "\n")
		of[KindXHR] = []byte(goAway + "\n")
		of[KindEventSource] = []byte("data: " + goAway + "\r\n\r\n")
	}
	return all
}

// textFrame is a whole unmasked text message; s is shorter than 126 bytes.
func textFrame(s string) []byte {
	return append([]byte{0x81, byte(len(s))}, s...)
}

// closeFrame is an unmasked Close frame; reason is shorter than 124 bytes.
func closeFrame(code uint16, reason string) []byte {
	frame := []byte{0x88, byte(2 + len(reason))}
	frame = binary.BigEndian.AppendUint16(frame, code)
	return append(frame, reason...)
}
