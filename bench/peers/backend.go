package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"

	"fastproxy/fastproxy/loop"
)

// The backend answers by the end of a path, whatever is before it:
//
//	…/echo    a WebSocket that says back what it hears
//	…/stream  a WebSocket that says messages of 1 MiB, as fast as they go
//	…/1k      1,024 bytes         …/100k   102,400 bytes
//	…/auth    204, for auth_request
//	other     200 with a line of text
//
// It must cost less than any proxy before it, so it is an event loop, too.

// maxHead is how long the head of a request may be.
const maxHead = 64 << 10

var pages = map[string][]byte{
	"1k":   page(1 << 10),
	"100k": page(100 << 10),
	"auth": []byte("HTTP/1.1 204 No Content\r\nX-User: bench\r\n\r\n"),
	"":     []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nbackend\n"),
}

func page(size int) []byte {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n"
	return append([]byte(head), bytes.Repeat([]byte("shiny"), size/5+1)[:size]...)
}

// serveBackend serves until ctx ends.
func serveBackend(ctx context.Context, at netip.AddrPort) error {
	l, err := loop.New(loop.Options{})
	if err != nil {
		return fmt.Errorf("peers: backend: %w", err)
	}
	fd, _, err := loop.Listen(at)
	if err != nil {
		l.Discard()
		return fmt.Errorf("peers: backend: listen on %v: %w", at, err)
	}
	l.Post(func() { l.Watch(fd, &door{l}) })
	return l.Run(ctx)
}

type door struct{ loop *loop.Loop }

func (d *door) Handle(key loop.Key, ev loop.Events) {
	for ev != loop.Stopped {
		fd, _, err := loop.Accept(d.loop.FD(key))
		if err != nil {
			return
		}
		d.loop.Watch(fd, &visit{loop: d.loop})
	}
}

// visit is one connection.
type visit struct {
	loop   *loop.Loop
	held   []byte  // of a head or a frame's header that is not whole yet
	unsent []byte  // what found no room; nothing is read until it is sent
	echo   *echo   // once it is a WebSocket
	stream *stream // if that is a talker
	ending bool    // closed once nothing is unsent
}

// held bytes of a frame go before what is read, so that both can be read in one.
const before = 16

func (v *visit) Handle(key loop.Key, ev loop.Events) {
	if ev&loop.Stopped != 0 {
		return
	}
	if len(v.unsent) > 0 {
		if v.send(key, v.unsent); len(v.unsent) > 0 {
			return
		}
	}
	if v.stream != nil {
		v.talk(key)
	}
	if v.ending {
		if len(v.unsent) == 0 {
			v.loop.Close(key)
		}
		return
	}
	scratch := v.loop.Scratch()
	for range 8 {
		n, err := loop.Read(v.loop.FD(key), scratch[before:])
		switch {
		case err == loop.ErrAgain:
			return
		case err != nil:
			v.loop.Close(key)
			return
		}
		if v.take(key, scratch, n); v.ending && len(v.unsent) == 0 {
			v.loop.Close(key)
			return
		}
		if n < len(scratch)-before || len(v.unsent) > 0 {
			return
		}
	}
	v.loop.Again(key, loop.Readable)
}

// take has n bytes in scratch from before on.
func (v *visit) take(key loop.Key, scratch []byte, n int) {
	if v.echo != nil {
		from := before - copy(scratch[before-len(v.held):], v.held)
		out, rest := v.echo.answer(scratch[from : before+n])
		v.held = append(v.held[:0], rest...)
		if v.stream != nil { // it listens for a Close frame only
			if v.stream.last = v.stream.last || v.echo.closed; v.stream.last {
				v.talk(key)
			}
			return
		}
		v.ending = v.ending || v.echo.closed
		v.send(key, out)
		return
	}
	b := scratch[before : before+n]
	if len(v.held) > 0 {
		v.held = append(v.held, b...)
		b = v.held
	}
	for {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			v.held = append([]byte(nil), b...)
			v.ending = v.ending || len(b) > maxHead
			return
		}
		head := b[:end+2]
		b = b[end+4:]
		v.respond(key, head)
		if v.echo != nil && len(b) > 0 { // frames right behind the head
			v.held = nil
			v.take(key, append(make([]byte, before, before+len(b)), b...), len(b))
			return
		}
		if len(b) == 0 {
			v.held = nil
			return
		}
	}
}

// respond answers one request; it has no body.
func (v *visit) respond(key loop.Key, head []byte) {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	target, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("GET ")), []byte(" "))
	target, _, _ = bytes.Cut(target, []byte("?"))
	last := target[bytes.LastIndexByte(target, '/')+1:]
	if talks := string(last) == "stream"; talks || string(last) == "echo" {
		if nonce := field(fields, "sec-websocket-key"); nonce != nil {
			v.echo = &echo{}
			if talks {
				v.stream = &stream{}
				v.loop.Again(key, loop.Writable)
			}
			v.send(key, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+accept(nonce)+"\r\n\r\n"))
			return
		}
	}
	answer, ok := pages[string(last)]
	if !ok {
		answer = pages[""]
	}
	if bytes.HasPrefix(line, []byte("HEAD ")) {
		answer = answer[:bytes.Index(answer, []byte("\r\n\r\n"))+4]
	}
	v.send(key, answer)
}

// field finds a header field by its lower-case name.
func field(fields []byte, name string) []byte {
	for len(fields) > 0 {
		var line []byte
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}

// accept is what RFC 6455 section 4.2.2 makes of a key.
func accept(nonce []byte) string {
	sum := sha1.Sum(append(bytes.Clone(nonce), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// send writes b, behind what is unsent already, and keeps what finds no room.
func (v *visit) send(key loop.Key, b []byte) {
	if len(v.unsent) > 0 && len(b) > 0 && &b[0] != &v.unsent[0] {
		v.unsent = append(v.unsent, b...)
		return
	}
	for len(b) > 0 {
		n, err := loop.Write(v.loop.FD(key), b)
		if err == loop.ErrAgain {
			v.unsent = append([]byte(nil), b...)
			return
		}
		if err != nil {
			v.ending, v.unsent = true, nil
			return
		}
		b = b[n:]
	}
	v.unsent = nil
}
