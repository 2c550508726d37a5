package fastproxy

import "errors"

var errChunked = errors.New("malformed chunked body")

const (
	maxChunkLine  = 1 << 10 // size and extensions of one chunk
	maxTrailers   = 8 << 10
	maxChunkBytes = 1<<63 - 1
)

type chunkState uint8

const (
	chunkSize      chunkState = iota // before or in the size's digits
	chunkExtension                   // after ";"
	chunkSizeLF
	chunkPayload
	chunkPayloadCR
	chunkPayloadLF
	chunkTrailer     // at the start of a trailer line or of the last CRLF
	chunkTrailerLine // inside a trailer line
	chunkTrailerLF
	chunkLastLF
	chunkDone
)

// chunks follows a body in chunked coding (RFC 9112 section 7.1) however its
// bytes are cut, and keeps none of them. It is strict: sizes are hexadecimal
// digits and nothing else, lines end with CRLF, and no control byte is passed
// over. The zero value is at the start of a body.
type chunks struct {
	state  chunkState
	digits uint8
	size   int64 // payload bytes of this chunk that are still to come
	line   int   // bytes of this chunk line, or of all trailers
}

// next reads b up to the end of its first run of payload, or all of it, and
// returns how many bytes it read and the payload among them (the last ones
// read). The body has ended when done reports true; bytes after n are not its.
func (c *chunks) next(b []byte) (n int, payload []byte, err error) {
	for n < len(b) && c.state != chunkDone {
		if c.state == chunkPayload {
			run := len(b) - n
			if int64(run) > c.size {
				run = int(c.size)
			}
			c.size -= int64(run)
			if c.size == 0 {
				c.state = chunkPayloadCR
			}
			return n + run, b[n : n+run], nil
		}
		if !c.step(b[n]) {
			return n, nil, errChunked
		}
		n++
	}
	return n, nil, nil
}

// done reports whether the body, with its trailers, has ended.
func (c *chunks) done() bool { return c.state == chunkDone }

// between reports whether a chunk may be put in here.
func (c *chunks) between() bool { return c.state == chunkSize && c.digits == 0 }

// step takes one byte that is not payload.
func (c *chunks) step(b byte) bool {
	switch c.state {
	case chunkSize:
		return c.stepSize(b)
	case chunkExtension:
		c.line++
		if b == '\r' {
			c.state = chunkSizeLF
			return true
		}
		return plain(b) && c.line < maxChunkLine
	case chunkSizeLF:
		c.digits, c.line = 0, 0
		c.state = chunkPayload
		if c.size == 0 {
			c.state = chunkTrailer
		}
		return b == '\n'
	case chunkPayloadCR:
		c.state = chunkPayloadLF
		return b == '\r'
	case chunkPayloadLF:
		c.state = chunkSize
		return b == '\n'
	}
	return c.stepTrailer(b)
}

func (c *chunks) stepSize(b byte) bool {
	if isHex(b) {
		c.digits++
		if c.digits > 16 || c.size > maxChunkBytes>>4 {
			return false
		}
		c.size = c.size<<4 | int64(hexValue(b))
		return true
	}
	if c.digits == 0 {
		return false
	}
	switch b {
	case '\r':
		c.state = chunkSizeLF
	case ';':
		c.state = chunkExtension
	default:
		return false
	}
	return true
}

func (c *chunks) stepTrailer(b byte) bool {
	c.line++
	if c.line > maxTrailers {
		return false
	}
	switch c.state {
	case chunkTrailer:
		if b == '\r' {
			c.state = chunkLastLF
			return true
		}
		c.state = chunkTrailerLine
		return tokenBytes[b] != 0
	case chunkTrailerLine:
		if b == '\r' {
			c.state = chunkTrailerLF
			return true
		}
		return plain(b)
	case chunkTrailerLF:
		c.state = chunkTrailer
		return b == '\n'
	case chunkLastLF:
		c.state = chunkDone
		return b == '\n'
	}
	return false
}

// plain reports a byte that may stand in a header line.
func plain(b byte) bool { return b >= ' ' && b != 0x7f || b == '\t' }

func hexValue(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return lower(b) - 'a' + 10
}
