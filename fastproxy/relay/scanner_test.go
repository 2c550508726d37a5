package relay

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

var (
	dataWords    = []byte{0x81, 0}
	controlWords = []byte{0x88, 0}
)

// frame makes one frame, masked with a fixed key when masked is set.
func frame(masked, fin bool, opcode byte, payload []byte) []byte {
	f := []byte{opcode, 0}
	if fin {
		f[0] |= finBit
	}
	switch n := len(payload); {
	case n <= maxShort:
		f[1] = byte(n)
	case n <= 0xffff:
		f[1] = 126
		f = binary.BigEndian.AppendUint16(f, uint16(n))
	default:
		f[1] = 127
		f = binary.BigEndian.AppendUint64(f, uint64(n))
	}
	if !masked {
		return append(f, payload...)
	}
	f[1] |= maskBit
	key := []byte{0xa5, 0x01, 0xff, 0x7e}
	f = append(f, key...)
	for i, b := range payload {
		f = append(f, b^key[i%4])
	}
	return f
}

// verdict is what is known of a stream: after which offsets control words and
// data words fit.
type verdict struct{ control, data []int }

// naive is the oracle: it reads a whole buffer at once, straight from the
// picture in RFC 6455 5.2.
func naive(b []byte, masked bool) (v verdict) {
	within := false
	for at := 0; ; {
		v.control = append(v.control, at)
		if !within {
			v.data = append(v.data, at)
		}
		f := b[at:]
		if len(f) < 2 {
			return v
		}
		fin, op, isMasked, n := f[0] >= 0x80, f[0]%16, f[1] >= 0x80, uint64(f[1]%128)
		head := 2
		if op >= 8 && (!fin || n > 125 || op > 10) || op > 2 && op < 8 || isMasked != masked ||
			op == 0 && !within || (op == 1 || op == 2) && within {
			return v
		}
		switch {
		case n == 126 && len(f) < 4, n == 127 && len(f) < 10:
			return v
		case n == 126:
			n, head = uint64(f[2])*256+uint64(f[3]), 4
			if n < 126 {
				return v
			}
		case n == 127:
			n, head = binary.BigEndian.Uint64(f[2:]), 10
			if n < 65536 || n > 1<<63-1 {
				return v
			}
		}
		if masked {
			head += 4
		}
		if len(f) < head || uint64(len(f)-head) < n || op == 8 {
			return v
		}
		at += head + int(n)
		if op < 8 {
			within = !fin
		}
	}
}

// scanned finds the same by a scanner that is given the bytes piece by piece.
func scanned(b []byte, masked bool, cuts []byte) (v verdict) {
	piece := 0
	next := func(rest int) int {
		if len(cuts) == 0 {
			return rest
		}
		n := 1 + int(cuts[piece%len(cuts)])
		piece++
		return min(n, rest)
	}
	v.control = places(b, masked, controlWords, next)
	v.data = places(b, masked, dataWords, next)
	return v
}

func places(b []byte, masked bool, words []byte, next func(int) int) (at []int) {
	s := scanner{masked: masked}
	one := scanner{masked: masked}  // the same bytes through follow
	leap := scanner{masked: masked} // and payload past it, as when it is spliced
	for pos := 0; ; {
		if s.fits(words) {
			at = append(at, pos)
			if pos < len(b) { // leave this place
				one.follow(b[pos : pos+1])
				leap.follow(b[pos : pos+1])
				pos += s.step(b[pos:])
			}
		}
		if pos == len(b) {
			if one != s || leap != s {
				panic("follow, until and skip disagree")
			}
			return slices.Compact(at)
		}
		p := b[pos : pos+next(len(b)-pos)]
		n := s.until(p, words)
		one.follow(p[:n])
		for q := p[:n]; len(q) > 0; {
			if k := int(min(leap.payloadLeft(), uint64(len(q)))); k > 0 {
				leap.skip(k)
				q = q[k:]
				continue
			}
			leap.follow(q[:1])
			q = q[1:]
		}
		pos += n
		if pos == len(b) && !s.fits(words) {
			return slices.Compact(at)
		}
	}
}

func streams() map[string]struct {
	masked bool
	bytes  []byte
} {
	long := bytes.Repeat([]byte("payload "), 20)
	huge := make([]byte, 70_000)
	out := map[string]struct {
		masked bool
		bytes  []byte
	}{}
	for _, masked := range []bool{false, true} {
		name := map[bool]string{false: "server", true: "client"}[masked]
		all := slices.Concat(
			frame(masked, true, 1, nil), frame(masked, true, 1, []byte("hello")),
			frame(masked, true, 9, nil), frame(masked, true, 2, long),
			frame(masked, false, 1, []byte("one")), frame(masked, true, 10, []byte("pong")),
			frame(masked, false, 0, nil), frame(masked, true, 0, []byte("three")),
			frame(masked, true, 2, bytes.Repeat([]byte{1}, 125)), frame(masked, true, 2, bytes.Repeat([]byte{1}, 126)))
		out[name+" frames"] = struct {
			masked bool
			bytes  []byte
		}{masked, all}
		out[name+" huge"] = struct {
			masked bool
			bytes  []byte
		}{masked, slices.Concat(frame(masked, true, 2, huge), frame(masked, true, 1, []byte("x")))}
		out[name+" close"] = struct {
			masked bool
			bytes  []byte
		}{masked, slices.Concat(all, frame(masked, true, 8, []byte{3, 232}), frame(masked, true, 1, []byte("late")))}
	}
	return out
}

func TestScannerFindsTheSameBoundariesHoweverTheBytesAreCut(t *testing.T) {
	for name, c := range streams() {
		want := naive(c.bytes, c.masked)
		for _, cuts := range [][]byte{nil, {0}, {1}, {2, 0, 7}, {250}} {
			got := scanned(c.bytes, c.masked, cuts)
			if !slices.Equal(got.control, want.control) || !slices.Equal(got.data, want.data) {
				t.Errorf("%s cut by %v: found %v, want %v", name, cuts, got, want)
			}
		}
		if wrong := naive(c.bytes, !c.masked); len(wrong.control) != 1 {
			t.Errorf("%s: the oracle takes the wrong direction", name)
		}
	}
}

func TestScannerGivesUpOnWhatIsNotWebSocket(t *testing.T) {
	for name, b := range map[string]string{
		"text":                        "HTTP/1.1 400 Bad Request\r\n",
		"reserved opcode 3":           "\x83\x00",
		"reserved opcode 11":          "\x8b\x00",
		"masked by a server":          "\x81\x80\x00\x00\x00\x00",
		"fragmented ping":             "\x09\x00",
		"long ping":                   "\x89\x7e\x00\x80",
		"continuation of nothing":     "\x80\x00",
		"message within a message":    "\x01\x00\x81\x00",
		"length 125 in two bytes":     "\x82\x7e\x00\x7d",
		"length 65535 in eight":       "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
		"length with the highest bit": "\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00",
	} {
		var s scanner
		s.follow([]byte(b))
		if s.stage != lost || s.fits(controlWords) || !s.hopeless() {
			t.Errorf("%s: stage %d, want lost", name, s.stage)
		}
		if n := s.until([]byte("more"), controlWords); n != 4 {
			t.Errorf("%s: bytes behind it are held back: %d of 4 pass", name, n)
		}
	}
}

func TestNothingFitsBehindAClose(t *testing.T) {
	var s scanner
	s.follow(frame(false, true, 8, nil))
	if s.stage != closed || s.fits(controlWords) {
		t.Errorf("stage %d, want closed", s.stage)
	}
}

func FuzzScanner(f *testing.F) {
	for _, c := range streams() {
		f.Add(c.bytes[:min(len(c.bytes), 4096)], []byte{0}, c.masked)
		f.Add(c.bytes[:min(len(c.bytes), 4096)], []byte{3, 0, 100}, c.masked)
	}
	f.Add([]byte("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"), []byte{1}, false)
	f.Add([]byte("\xc1\x05hello\x01\x01a\x89\x00\x80\x01b"), []byte{2}, false)
	f.Fuzz(func(t *testing.T, b, cuts []byte, masked bool) {
		want, got := naive(b, masked), scanned(b, masked, cuts)
		if !slices.Equal(got.control, want.control) || !slices.Equal(got.data, want.data) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	for name, f := range map[string][]byte{
		"64B":  frame(true, true, 1, make([]byte, 64)),
		"64KB": frame(true, true, 2, make([]byte, 64<<10)),
	} {
		b.Run(name, func(b *testing.B) {
			s := scanner{masked: true}
			b.ReportAllocs()
			for b.Loop() {
				s.follow(f)
			}
		})
	}
}
