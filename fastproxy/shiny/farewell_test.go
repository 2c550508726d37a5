package shiny

import (
	"bytes"
	"testing"
)

func TestEachClientIsToldInItsOwnWay(t *testing.T) {
	denied := "\x88\x0f\x11\x94Access denied"
	for _, c := range []struct {
		kind Kind
		want string
	}{
		{KindWebSocket, denied},
		{KindSockJSRaw, denied},
		{KindSockJSWebSocket, "\x81\x17c[4500,\"Access denied\"]" + denied},
		{KindXHRStreaming, "c[4500,\"Access denied\"]\n"},
		{KindXHR, "c[4500,\"Access denied\"]\n"},
		{KindEventSource, "data: c[4500,\"Access denied\"]\r\n\r\n"},
		{KindHTMLFile, ""},
		{KindPage, ""},
		{Kind(200), ""},
	} {
		if got := string(Farewell(c.kind, EndDenied)); got != c.want {
			t.Errorf("Farewell(%v) = %q, want %q", c.kind, got, c.want)
		}
	}
	if got := Farewell(KindPage, Ending(200)); got != nil {
		t.Errorf("an ending that does not exist is told: %q", got)
	}
}

func TestShutdownSaysNothingSoThatTheClientResumes(t *testing.T) {
	for k := range Kind(NumKinds) {
		if got := Farewell(k, EndShutdown); got != nil {
			t.Errorf("Farewell(%v, EndShutdown) = %q, want none", k, got)
		}
	}
}

func TestFarewellsAreWholeFrames(t *testing.T) {
	for e := range numEndings {
		for _, k := range []Kind{KindWebSocket, KindSockJSRaw, KindSockJSWebSocket} {
			rest := Farewell(k, e)
			for len(rest) > 0 {
				if rest[1] > 125 || len(rest) < 2+int(rest[1]) {
					t.Fatalf("Farewell(%v, %d): frame of %d bytes is not whole", k, e, rest[1])
				}
				rest = rest[2+int(rest[1]):]
			}
		}
	}
}

func TestTheBackendGetsAMaskedGoingAway(t *testing.T) {
	a, b := FarewellToBackend(), FarewellToBackend()
	for _, f := range [][]byte{a, b} {
		if len(f) != 8 || f[0] != 0x88 || f[1] != 0x82 {
			t.Fatalf("% x is not a masked Close frame with a code", f)
		}
		if hi, lo := f[6]^f[2], f[7]^f[3]; hi != 1001>>8 || lo != 1001&0xff {
			t.Errorf("% x says %d, want 1001", f, int(hi)<<8|int(lo))
		}
	}
	if bytes.Equal(a, b) {
		t.Error("two frames share a mask")
	}
}
