package shiny

// Opens reads what a client sends to Shiny Server and asks about every app it
// wants to open: inside one admitted connection the multiplex layer's open
// command names any app of that server. It follows the bytes however they are
// cut and keeps none of them but the command's own, so a client that opens
// nothing costs its unmasking. It is owned by whoever carries the bytes.
type Opens struct {
	judge func(url []byte) bool
	raw   bool // strings are messages themselves, without SockJS's JSON
	told  bool

	frames frameReader
	json   jsonStrings
	mux    multiplex
}

// NewOpens returns a reader for one connection, or one body, of a kind: any
// SockJS kind. robust says that its path has n= or o= (RobustID). judge is
// asked with the data of each open command, borrowed, before the command can
// have reached the server; false refuses it, and everything after it.
func NewOpens(kind Kind, robust bool, judge func(url []byte) bool) *Opens {
	o := &Opens{judge: judge, raw: kind == KindSockJSRaw, mux: multiplex{robust: robust}}
	o.json = jsonStrings{begin: o.mux.begin, add: o.mux.add, end: o.endString}
	o.begin()
	return o
}

// Frames takes bytes of a client's WebSocket (RFC 6455, masked) and returns how
// many of them may be passed on. When that is not all, the rest must not be
// passed on, and the connection ends: a command was refused, or what came is
// no WebSocket of the layers above. What was passed on of the message in
// question then lacks its end, and means nothing to the server.
func (o *Opens) Frames(b []byte) (pass int, ok bool) {
	for i := 0; i < len(b); {
		n, payload, event := o.frames.next(b[i:])
		if event == frameBad || len(payload) > 0 && !o.unmask(payload) {
			return i, false
		}
		if event == frameMessageEnd && !o.end() {
			return i + n - 1, false
		}
		i += n
	}
	return len(b), true
}

// unmask feeds the payload of data frames to the layers above; b is only read.
func (o *Opens) unmask(b []byte) bool {
	var plain [512]byte
	for len(b) > 0 {
		n := min(len(b), len(plain))
		o.frames.unmask(plain[:n], b[:n])
		if !o.feed(plain[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// Body takes the next bytes of an xhr_send body; false: they, and what
// follows, must not be passed on. Whole reports at the end whether all of it
// may be: the last byte has to wait for that.
func (o *Opens) Body(b []byte) bool { return o.feed(b) }

// Whole ends a body.
func (o *Opens) Whole() bool { return o.end() }

// Tell reports whether it was not called before: a refusal is told once.
func (o *Opens) Tell() bool {
	first := !o.told
	o.told = true
	return first
}

func (o *Opens) begin() {
	if o.raw {
		o.mux.begin()
		return
	}
	o.json.start()
}

func (o *Opens) feed(b []byte) bool {
	if o.raw {
		o.mux.add(b)
		return true // judged at the end
	}
	o.json.feed(b)
	return o.json.state != jsonBad
}

func (o *Opens) end() bool {
	ok := false
	if o.raw {
		ok = o.endString()
	} else {
		ok = o.json.finish()
	}
	o.begin()
	return ok
}

func (o *Opens) endString() bool {
	url, open, ok := o.mux.end()
	return ok && (!open || o.judge(url))
}

type frameEvent uint8

const (
	frameMore       frameEvent = iota
	frameMessageEnd            // the last byte of a data message was read
	frameBad
)

// frameReader finds the payload of text messages in a client's frames, over
// fragments and between control frames. Binary ones are refused: SockJS's
// client sends none, and sockjs-node makes other things of them than strings.
type frameReader struct {
	header [14]byte
	have   int // bytes of the header read
	mask   [4]byte
	within bool // in a fragmented message

	left    uint64 // payload of this frame still to come
	control bool   // of this frame
	fin     bool   // of this frame
	at      int    // in the mask
}

// next reads the rest of a header, or a run of payload. payload is masked;
// that of control frames is not returned.
func (f *frameReader) next(b []byte) (n int, payload []byte, event frameEvent) {
	if f.left > 0 {
		n = int(min(uint64(len(b)), f.left))
		f.left -= uint64(n)
		if !f.control {
			payload = b[:n]
		}
		return n, payload, f.after()
	}
	for n < len(b) {
		f.header[f.have] = b[n]
		f.have++
		n++
		switch whole, bad := f.whole(); {
		case bad:
			return n, nil, frameBad
		case whole:
			f.have, f.at = 0, 0
			return n, nil, f.after()
		}
	}
	return n, nil, frameMore
}

func (f *frameReader) after() frameEvent {
	if f.left == 0 && f.fin && !f.control {
		return frameMessageEnd
	}
	return frameMore
}

// whole reports whether the header is complete, and takes it in when it is.
func (f *frameReader) whole() (whole, bad bool) {
	op := f.header[0] & 0x0F
	if f.have == 1 {
		control := op&8 != 0
		fragment := f.header[0]&0x80 == 0
		reserved := f.header[0]&0x70 != 0 || op > 1 && op < 8 || op > 10
		wrong := control && fragment || !control && (op == 0) != f.within
		return false, reserved || wrong
	}
	length := f.header[1] & 0x7F
	if f.have == 2 && (f.header[1]&0x80 == 0 || length > 125 && op&8 != 0) {
		return false, true // unmasked, or a long control frame
	}
	size := 2 + 4
	switch length {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.have < size {
		return false, false
	}
	f.left = uint64(length)
	if length > 125 {
		f.left = 0
		for _, c := range f.header[2 : size-4] {
			f.left = f.left<<8 | uint64(c)
		}
	}
	copy(f.mask[:], f.header[size-4:])
	f.control, f.fin = op&8 != 0, f.header[0]&0x80 != 0
	if !f.control {
		f.within = !f.fin
	}
	return true, f.left>>63 != 0
}

func (f *frameReader) unmask(dst, b []byte) {
	for i := range b {
		dst[i] = b[i] ^ f.mask[f.at&3]
		f.at++
	}
}
