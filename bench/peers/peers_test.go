package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket" // a WebSocket client that is not ours
)

// backend starts one on a port of its own.
func backend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveBackend(ctx, netip.MustParseAddrPort(at)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	awaitDoor(t, at)
	return at
}

func awaitDoor(t *testing.T, at string) {
	t.Helper()
	for range 1000 {
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("nobody answers at %s", at)
}

func TestBackendAnswersPagesOnOneConnectionHoweverTheyAreCut(t *testing.T) {
	c, err := net.Dial("tcp", backend(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	requests := "GET /x/1k?q=/100k HTTP/1.1\r\nHost: a\r\n\r\nGET /100k HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
	go func() {
		for i := range requests {
			c.Write([]byte(requests[i : i+1]))
		}
	}()
	want := string(pages["1k"]) + string(pages["100k"]) + string(pages[""])
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %d bytes (%v), want %d: three answers in turn", len(got), err, len(want))
	}
}

func TestBackendSaysBackMessagesOfAnySize(t *testing.T) {
	at := backend(t)
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+at+"/any/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 7, 125, 126, 4096, 65535, 65536, 1 << 20} {
		message := make([]byte, size)
		for i := range message {
			message[i] = byte(rng.Uint32())
		}
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			t.Fatal(err)
		}
		kind, got, err := conn.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes: got %d of kind %d, %v", size, len(got), kind, err)
		}
	}
	ponged := make(chan string, 1)
	conn.SetPongHandler(func(s string) error { ponged <- s; return nil })
	conn.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(time.Second))
	conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "enough"), time.Now().Add(time.Second))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("after a Close frame: %v, want its echo", err)
	}
	if got := <-ponged; got != "hello" {
		t.Errorf("pong is %q", got)
	}
}

// A frame's answer is the same wherever the stream is cut.
func FuzzEchoAtAnyCut(f *testing.F) {
	f.Add([]byte("hello"), uint8(1), uint8(9))
	f.Add(bytes.Repeat([]byte("x"), 300), uint8(3), uint8(1))
	f.Fuzz(func(t *testing.T, payload []byte, cut, op uint8) {
		op = op & 0xf
		if op == opClose {
			op = 1
		}
		frames := append(clientFrame(op, payload), clientFrame(2, []byte("end"))...)
		var whole, parts []byte
		e := &echo{}
		out, rest := e.answer(bytes.Clone(frames))
		whole = append(whole, out...)
		if len(rest) > 0 {
			t.Fatalf("%d bytes left of whole frames", len(rest))
		}
		e = &echo{}
		var held []byte
		for b := frames; len(b) > 0; {
			n := min(int(cut)+1, len(b))
			out, rest := e.answer(append(bytes.Clone(held), b[:n]...))
			parts = append(parts, out...)
			held = bytes.Clone(rest)
			b = b[n:]
		}
		if !bytes.Equal(whole, parts) {
			t.Fatalf("cut into %d: got %x, want %x", cut+1, parts, whole)
		}
		if !bytes.Contains(whole, payload) {
			t.Fatalf("the payload is not in the answer")
		}
	})
}

func clientFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := []byte{1, 0xa2, 0x33, 0xf4}
	b = append(b, mask...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func TestBareProxyPassesPagesAndWebSockets(t *testing.T) {
	behind := backend(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveProxy(ctx, at, "http://"+behind) }()
	defer func() { stop(); <-ended }()
	awaitDoor(t, at)
	answer, err := http.Get("http://" + at + "/1k")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if len(body) != 1024 {
		t.Errorf("got %d bytes, want 1024", len(body))
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+at+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteMessage(websocket.TextMessage, []byte("hi"))
	if _, got, err := conn.ReadMessage(); string(got) != "hi" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTokenIsWrittenWithItsKey(t *testing.T) {
	dir := t.TempDir()
	if err := run(context.Background(), []string{"token", dir}); err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join(dir, "jwt.header"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(header), "Authorization: Bearer ey") || strings.Count(string(header), ".") != 2 {
		t.Errorf("the header line is no bearer token: %d bytes", len(header))
	}
	if _, err := os.Stat(filepath.Join(dir, "jwt.pem")); err != nil {
		t.Error(err)
	}
	if err := run(context.Background(), []string{"token"}); err == nil || !strings.HasPrefix(fmt.Sprint(err), "usage:") {
		t.Errorf("without a directory: %v, want the usage", err)
	}
}

func TestBackendTalksUntilItHearsGoodbye(t *testing.T) {
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+backend(t)+"/any/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 400 {
		if i == 30 {
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		}
		kind, got, err := conn.ReadMessage()
		if websocket.IsCloseError(err, 1000) && i > 30 {
			return
		}
		if err != nil || kind != websocket.BinaryMessage || len(got) != 1<<20 || !bytes.HasPrefix(got, []byte("shinyshiny")) {
			t.Fatalf("message %d: %d bytes of kind %d, %v", i, len(got), kind, err)
		}
	}
	t.Error("no end after a Close frame")
}
