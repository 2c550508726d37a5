package main

import "encoding/binary"

// echo turns the frames a client sends into those that say the same back
// (RFC 6455 section 5.2): the same bits, the payload no longer masked, a ping
// answered with a pong. It follows frames of any length through any number of
// reads and need not understand messages.
type echo struct {
	left    uint64 // of the payload under way
	mask    uint32 // as its bytes stand, rotated to the one that is next
	closing bool   // the payload under way is a Close frame's
	closed  bool   // a Close frame was answered
}

const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

// answer rewrites b in place: what goes back is never longer, since a client's
// header has four bytes more. rest is a header that is not whole yet.
func (e *echo) answer(b []byte) (out, rest []byte) {
	to, at := 0, 0
	for at < len(b) && !e.closed {
		if e.left == 0 {
			size := headerSize(b[at:])
			if at+size > len(b) {
				break
			}
			to += e.open(b[to:], b[at:at+size])
			at += size
		}
		n := int(min(e.left, uint64(len(b)-at)))
		e.unmask(b[at : at+n])
		to += copy(b[to:], b[at:at+n])
		at += n
		e.left -= uint64(n)
		e.closed = e.closing && e.left == 0
	}
	return b[:to], b[at:]
}

// headerSize is how long the header is that b begins with, as far as b tells.
func headerSize(b []byte) int {
	const masked = 4
	if len(b) < 2 {
		return 2 + masked
	}
	switch b[1] & 0x7f {
	case 126:
		return 4 + masked
	case 127:
		return 10 + masked
	}
	return 2 + masked
}

// open begins a frame: it reads a header and writes the answer's into to,
// which may be the same memory, and returns how long that is.
func (e *echo) open(to, header []byte) int {
	size := len(header) - 4
	e.mask = binary.LittleEndian.Uint32(header[size:])
	switch size {
	case 2:
		e.left = uint64(header[1] & 0x7f)
	case 4:
		e.left = uint64(binary.BigEndian.Uint16(header[2:]))
	default:
		e.left = binary.BigEndian.Uint64(header[2:])
	}
	copy(to, header[:size])
	to[1] &= 0x7f
	switch to[0] & 0xf {
	case opClose:
		e.closing = true
	case opPing:
		to[0] += opPong - opPing
	}
	return size
}

func (e *echo) unmask(b []byte) {
	wide := uint64(e.mask)<<32 | uint64(e.mask)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(e.mask)
		e.mask = e.mask>>8 | e.mask<<24
	}
}
