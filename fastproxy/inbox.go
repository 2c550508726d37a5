package fastproxy

import (
	"bytes"
	"net"
)

// inbox holds what was read from a connection and not used: ahead, then
// buf[r:w]. The head of the exchange under way stays in buf, before r.
type inbox struct {
	nc    net.Conn
	buf   []byte // pooled; nil while idle
	r, w  int
	ahead []byte // put back, see unread
}

// unused returns how many bytes were read and not used.
func (in *inbox) unused() int { return len(in.ahead) + in.w - in.r }

// nextHead takes the bytes of the next head, which stay as they are until it
// is called again. No bytes and no error: the client is gone.
func (in *inbox) nextHead() ([]byte, *scanError) {
	in.gather()
	seen := 0
	for {
		n, err := findHeadEnd(in.buf[in.r:in.w], seen)
		if err != nil {
			return nil, err
		}
		if n > maxHeadBytes {
			return nil, errHeadTooLarge
		}
		if n > 0 {
			in.r += n
			return in.buf[in.r-n : in.r], nil
		}
		seen = in.w - in.r
		if in.w == len(in.buf) && !in.makeRoom() {
			return nil, errHeadTooLarge
		}
		k, rerr := in.nc.Read(in.buf[in.w:])
		in.w += k
		if k == 0 && rerr != nil {
			if isTimeout(rerr) {
				return nil, errHeadTimeout
			}
			return nil, nil
		}
	}
}

// gather brings all unused bytes into buf, for a head to be found in them.
func (in *inbox) gather() {
	if len(in.ahead) == 0 {
		return
	}
	n := in.unused()
	b := takeBuffer(n)
	copy(b[copy(b, in.ahead):], in.buf[in.r:in.w])
	in.dropBuffer()
	in.buf, in.w, in.ahead = b, n, nil
}

// makeRoom gets space behind w for the head that begins at r; it reports
// false when the head is as large as heads may be.
func (in *inbox) makeRoom() bool {
	n := in.w - in.r
	if n >= maxHeadBytes {
		return false
	}
	b := takeBuffer(min(2*n, maxHeadBytes))
	copy(b, in.buf[in.r:in.w])
	giveBuffer(in.buf)
	in.buf, in.r, in.w = b, 0, n
	return true
}

func (in *inbox) dropBuffer() {
	giveBuffer(in.buf)
	in.buf, in.r, in.w = nil, 0, 0
}

// read reads what comes behind the head: unused bytes first, then the socket's.
func (in *inbox) read(p []byte) (int, error) {
	if len(in.ahead) > 0 {
		n := copy(p, in.ahead)
		in.ahead = in.ahead[n:]
		return n, nil
	}
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	return in.nc.Read(p)
}

// unread puts back the last bytes that read returned; b is copied.
func (in *inbox) unread(b []byte) {
	if len(b) > 0 {
		in.ahead = append(append([]byte(nil), b...), in.ahead...)
	}
}

// takeRest gives away all bytes behind the head, for a tunnel.
func (in *inbox) takeRest() []byte {
	rest := append(in.ahead, in.buf[in.r:in.w]...)
	in.r, in.ahead = in.w, nil
	return rest
}

// findHeadEnd returns the length of the head in b, through its empty line, or
// 0 while it is not complete. A bare LF is refused as soon as it is there: a
// head that ends by bare LFs would otherwise hang until the deadline. Bytes
// before seen were looked at before.
func findHeadEnd(b []byte, seen int) (int, *scanError) {
	for i := max(seen-1, 0); ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, nil
		}
		i += j
		if i == 0 || b[i-1] != '\r' {
			return 0, errBareLF
		}
		if i == 1 {
			return 0, errRequestLine // an empty line before the request line
		}
		if i >= 3 && b[i-2] == '\n' {
			return i + 1, nil
		}
		i++
	}
}
