package relay

// scanner follows the frame headers of one direction of a WebSocket
// (RFC 6455 5.2), however its bytes are cut, and keeps nothing of them. It
// answers one question: may something else be said here? When the bytes are
// not valid framing it gives up for good: no place is known to be right.
//
// The zero scanner follows a server; set masked to follow a client. It is
// owned by whoever carries that direction.
type scanner struct {
	left   uint64 // of the payload: bytes still to come; before it its length, as far as read
	stage  stage
	need   uint8 // bytes still to come of the extended length or the masking key
	opcode byte
	masked bool // set once. RFC 6455 5.1: a client masks every frame, a server none
	fin    bool
	within bool // between the frames of a fragmented message
	wide   bool // the length has 8 bytes, not 2
}

type stage uint8

const (
	atHead    stage = iota // before a frame's first byte
	atLength               // before its second
	inLength               // in the extended length
	inMask                 // in the masking key
	inPayload              // in the payload
	closed                 // a Close frame has passed: RFC 6455 5.5.1, nothing may follow
	lost                   // not WebSocket framing
)

// RFC 6455 5.2 and 5.5.
const (
	opContinuation = 0x0
	opBinary       = 0x2
	opClose        = 0x8
	opPong         = 0xa
	controlBit     = 0x8 // of an opcode
	finBit         = 0x80
	maskBit        = 0x80
	maxShort       = 125 // the longest length in one byte, and of a control frame
	length16       = 126
)

// follow takes note of p.
func (s *scanner) follow(p []byte) {
	for len(p) > 0 && !s.hopeless() {
		p = p[s.step(p):]
	}
}

// until takes note of p up to the first place where words fit, and returns
// how many bytes that is: all of them when there is no such place.
func (s *scanner) until(p, words []byte) (n int) {
	for n < len(p) && !s.fits(words) {
		if s.hopeless() {
			return len(p)
		}
		n += s.step(p[n:])
	}
	return n
}

// fits reports whether words, which are whole frames, may be said here:
// between two frames, and not within a fragmented message unless they begin
// with a control frame (RFC 6455 5.4).
func (s *scanner) fits(words []byte) bool {
	return s.stage == atHead && (!s.within || words[0]&controlBit != 0)
}

// hopeless reports that nothing will ever fit again.
func (s *scanner) hopeless() bool { return s.stage >= closed }

// payloadLeft is how many bytes certainly come before the frame under way is
// over; 0 where that is not known.
func (s *scanner) payloadLeft() uint64 {
	if s.stage != inPayload {
		return 0
	}
	return s.left
}

// skip takes note of n bytes of payload, fewer than payloadLeft or as many.
func (s *scanner) skip(n int) {
	if s.left -= uint64(n); s.left == 0 {
		s.over()
	}
}

// step takes note of at least one byte of p, at most of the rest of the
// frame, and returns how many it took.
func (s *scanner) step(p []byte) int {
	switch s.stage {
	case atHead:
		s.first(p[0])
	case atLength:
		s.second(p[0])
	case inLength:
		s.left = s.left<<8 | uint64(p[0])
		if s.need--; s.need == 0 {
			s.extended()
		}
	case inMask:
		if s.need--; s.need == 0 {
			s.payload()
		}
	case inPayload:
		n := int(min(uint64(len(p)), s.left))
		s.skip(n)
		return n
	}
	return 1
}

// first reads FIN, the reserved bits and the opcode. The reserved bits belong
// to extensions (permessage-deflate sets one) and move no boundary.
func (s *scanner) first(b byte) {
	s.fin, s.opcode = b&finBit != 0, b&0xf
	control := s.opcode&controlBit != 0
	switch {
	case s.opcode > opPong, !control && s.opcode > opBinary: // reserved
		s.stage = lost
	case control && !s.fin: // RFC 6455 5.5
		s.stage = lost
	case !control && (s.opcode == opContinuation) != s.within: // RFC 6455 5.4
		s.stage = lost
	default:
		s.stage = atLength
	}
}

// second reads MASK and the length, or how long the length is.
func (s *scanner) second(b byte) {
	s.left = uint64(b &^ maskBit)
	switch {
	case (b&maskBit != 0) != s.masked:
		s.stage = lost
	case s.left <= maxShort:
		s.lengthRead()
	case s.opcode&controlBit != 0: // RFC 6455 5.5
		s.stage = lost
	default:
		s.wide = s.left != length16
		s.stage, s.left, s.need = inLength, 0, 2
		if s.wide {
			s.need = 8
		}
	}
}

// extended judges a length of 2 or 8 bytes: RFC 6455 5.2 wants the shortest
// form, and the highest bit of 8 clear.
func (s *scanner) extended() {
	switch {
	case !s.wide && s.left <= maxShort, s.wide && (s.left <= 0xffff || s.left>>63 != 0):
		s.stage = lost
	default:
		s.lengthRead()
	}
}

func (s *scanner) lengthRead() {
	if s.masked {
		s.stage, s.need = inMask, 4
		return
	}
	s.payload()
}

func (s *scanner) payload() {
	if s.left == 0 {
		s.over()
		return
	}
	s.stage = inPayload
}

// over ends a frame.
func (s *scanner) over() {
	s.stage = atHead
	switch {
	case s.opcode == opClose:
		s.stage = closed
	case s.opcode&controlBit == 0:
		s.within = !s.fin
	}
}
