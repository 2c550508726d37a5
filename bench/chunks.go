package bench

import (
	"bytes"
	"strconv"
)

// chunks reads a body of chunked coding (RFC 9112 §7.1).
type chunks struct {
	on, done bool
	state    uint8
	left     int64
}

const (
	chunkSize uint8 = iota
	chunkData
	chunkEnd
	chunkTrailer
)

// read takes from b what is complete and says how much of it was content.
func (k *chunks) read(b []byte) (used int, content int64, err error) {
	for !k.done {
		if k.state == chunkData {
			n := min(k.left, int64(len(b)-used))
			used, content, k.left = used+int(n), content+n, k.left-n
			if k.left > 0 {
				return used, content, nil
			}
			k.state = chunkEnd
		}
		i := bytes.Index(b[used:], []byte("\r\n"))
		if i < 0 {
			return used, content, nil
		}
		line := b[used : used+i]
		used += i + 2
		if err := k.line(line); err != nil {
			return used, content, err
		}
	}
	return used, content, nil
}

// line takes a line of the coding: a size, the end of a chunk, a trailer.
func (k *chunks) line(line []byte) error {
	switch k.state {
	case chunkSize:
		digits, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 64)
		if err != nil || n < 0 {
			return faultf("protocol", "a chunk of %q bytes", clip(string(line), 20))
		}
		if k.left, k.state = n, chunkData; n == 0 {
			k.state = chunkTrailer
		}
	case chunkEnd:
		if len(line) > 0 {
			return faultf("protocol", "a chunk that is longer than it says")
		}
		k.state = chunkSize
	case chunkTrailer:
		k.done = len(line) == 0
	}
	return nil
}
