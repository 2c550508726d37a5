package bench

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// frameHead is the head of a frame from the server.
type frameHead struct {
	fin  bool
	op   byte
	size int64
}

// readFrameHead reads one if b begins with a whole one; else used is 0.
func readFrameHead(b []byte) (h frameHead, used int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h = frameHead{fin: b[0]&0x80 != 0, op: b[0] & 0x0f, size: int64(b[1] & 0x7f)}
	used = 2
	switch {
	case b[0]&0x70 != 0:
		return h, 0, faultf("protocol", "a frame of an extension that was not agreed on")
	case b[1]&0x80 != 0:
		return h, 0, faultf("protocol", "a masked frame from the server")
	case h.size == 126:
		used = 4
	case h.size == 127:
		used = 10
	}
	if len(b) < used {
		return h, 0, nil
	}
	switch used {
	case 4:
		h.size = int64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		h.size = int64(binary.BigEndian.Uint64(b[2:]))
	}
	return h, used, h.check()
}

func (h *frameHead) check() error {
	switch {
	case h.size < 0:
		return faultf("protocol", "a frame of more than 2^63 bytes")
	case h.op&0x8 == 0 && h.op > 2 || h.op > opPong:
		return faultf("protocol", "a frame of the unknown kind %#x", h.op)
	case h.op&0x8 != 0 && (!h.fin || h.size > 125):
		return faultf("protocol", "a control frame that is long or in parts")
	}
	return nil
}

// appendFrame appends one whole masked frame (RFC 6455 §5.3).
func appendFrame(dst []byte, op byte, mask uint32, payload ...[]byte) []byte {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	dst = append(dst, 0x80|op)
	switch {
	case size < 126:
		dst = append(dst, 0x80|byte(size))
	case size < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(size))
	}
	dst = binary.LittleEndian.AppendUint32(dst, mask)
	from := len(dst)
	for _, p := range payload {
		dst = append(dst, p...)
	}
	maskBytes(dst[from:], mask)
	return dst
}

// maskBytes masks b in place, eight bytes at a time.
func maskBytes(b []byte, mask uint32) {
	wide := uint64(mask) | uint64(mask)<<32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask >> (8 * (i % 4)))
	}
}

// markSize is the length of a mark, the smallest message that can be measured.
const markSize = 32

// mark begins each of our messages. What the server says back tells by itself
// which message it answers and when that was due, so nothing is kept for
// messages under way.
type mark struct {
	conn uint32
	seq  uint32 // on its connection
	due  int64  // ns of the loop's clock
}

var errNoMark = errors.New("not one of ours")

func (m mark) append(dst []byte) []byte {
	dst = append(dst, "fb"...)
	dst = appendHex(dst, uint64(m.conn), 8)
	dst = appendHex(dst, uint64(m.seq), 8)
	return appendHex(dst, uint64(m.due), 14)
}

func readMark(b []byte) (m mark, err error) {
	if len(b) < markSize || b[0] != 'f' || b[1] != 'b' {
		return m, errNoMark
	}
	conn, ok1 := readHex(b[2:10])
	seq, ok2 := readHex(b[10:18])
	due, ok3 := readHex(b[18:markSize])
	if !ok1 || !ok2 || !ok3 {
		return m, errNoMark
	}
	return mark{uint32(conn), uint32(seq), int64(due)}, nil
}

func appendHex(dst []byte, v uint64, width int) []byte {
	for i := width - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[v>>(4*i)&15])
	}
	return dst
}

func readHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
