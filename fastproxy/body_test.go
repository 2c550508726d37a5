package fastproxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// cutConn hands out bytes in pieces of random sizes, then io.EOF.
type cutConn struct {
	net.Conn
	rng  *rand.Rand
	data []byte
}

func (c *cutConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(c.data), 1+c.rng.IntN(1<<c.rng.IntN(8)))
	copy(p, c.data[:n])
	c.data = c.data[n:]
	return n, nil
}

func (c *cutConn) SetReadDeadline(time.Time) error { return nil }

// newCutConn is a connection whose head was read just now, and with it the
// first bytes of data; the rest comes in pieces.
func newCutConn(rng *rand.Rand, data []byte) *conn {
	n := rng.IntN(min(len(data), smallBuffer-10) + 1)
	c := &conn{p: &Proxy{limits: usualLimits}, inbox: inbox{nc: &cutConn{rng: rng, data: data[n:]}}}
	c.buf = make([]byte, smallBuffer)
	c.r = 10
	c.w = 10 + copy(c.buf[10:], data[:n])
	if n > 0 && rng.IntN(3) == 0 { // some were put back by the exchange before
		k := rng.IntN(n)
		c.ahead = append([]byte(nil), c.buf[c.r:c.r+k]...)
		c.r += k
	}
	return c
}

// readRandomly reads a body by Reads of random sizes.
func readRandomly(rng *rand.Rand, b *bodyReader) (payload []byte, err error) {
	for {
		p := make([]byte, 1+rng.IntN(1<<rng.IntN(10)))
		n, err := b.Read(p)
		payload = append(payload, p[:n]...)
		if err == io.EOF {
			return payload, nil
		}
		if err != nil {
			return payload, err
		}
	}
}

// rest returns what a connection holds behind what was used of it.
func (c *conn) rest(t *testing.T) []byte {
	t.Helper()
	c.gather()
	all := append([]byte(nil), c.buf[c.r:c.w]...)
	more, err := io.ReadAll(c.nc)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, more...)
}

// FuzzBody reads a body however its bytes are cut, and what is behind it must
// be there to the byte.
func FuzzBody(f *testing.F) {
	next := "GET / HTTP/1.1\r\n\r\n"
	f.Add([]byte("hello"+next), int64(5), uint64(1))
	f.Add([]byte("hel"), int64(5), uint64(2))
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"+next), int64(-1), uint64(3))
	f.Add([]byte("5;a=b\r\nhello\r\n1\r\n!\r\n000\r\nA: b\r\n\r\n"+next), int64(-1), uint64(4))
	f.Add([]byte("5\r\nhello\r\n0\r\n\r"), int64(-1), uint64(5))
	f.Add([]byte("5\r\nhelloX0\r\n\r\n"), int64(-1), uint64(6))
	f.Fuzz(func(t *testing.T, data []byte, length int64, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 7))
		c := newCutConn(rng, data)
		b := &bodyReader{c: c, left: max(length, 0), chunked: length < 0, pace: pace{limits: &c.p.limits}}
		payload, err := readRandomly(rng, b)
		if again, err2 := b.Read(make([]byte, 1)); again != 0 || err2 == nil || err != nil && err2 != err {
			t.Fatalf("after %v, Read gives %d and %v", err, again, err2)
		}
		if int64(len(payload)) != b.read {
			t.Fatalf("%d bytes were counted of %d", b.read, len(payload))
		}
		want, size, wantErr := wholeBody(data, length)
		if (err == nil) != (wantErr == nil) || !bytes.HasPrefix(want, payload) {
			t.Fatalf("read %q and %v, want %q and %v", payload, err, want, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(payload, want) {
			t.Fatalf("read %q, want %q", payload, want)
		}
		if rest := c.rest(t); !bytes.Equal(rest, data[size:]) {
			t.Fatalf("behind the body is %q, want %q", rest, data[size:])
		}
	})
}

// wholeBody reads a body that is all there in one piece: its payload and size
// on the wire.
func wholeBody(data []byte, length int64) (payload []byte, size int, err error) {
	if length >= 0 {
		n := min(length, int64(len(data)))
		if n < length {
			err = errBodyCut
		}
		return data[:n], int(n), err
	}
	var c chunks
	for size < len(data) && !c.done() {
		n, p, err := c.next(data[size:])
		if err != nil {
			return payload, size, err
		}
		size += n
		payload = append(payload, p...)
	}
	if !c.done() {
		err = errBodyCut
	}
	return payload, size, err
}

func TestStoppedBodyWakesItsReader(t *testing.T) {
	far, near := net.Pipe()
	defer far.Close()
	defer near.Close()
	c := &conn{p: &Proxy{limits: usualLimits}, inbox: inbox{nc: near, buf: make([]byte, smallBuffer)}}
	b := &bodyReader{c: c, left: 10, pace: pace{limits: &c.p.limits}}
	read := make(chan error)
	go func() {
		_, err := b.Read(make([]byte, 10))
		read <- err
	}()
	b.stop()
	if err := <-read; !isTimeout(err) {
		t.Errorf("Read ended with %v", err)
	}
	if _, err := b.Read(make([]byte, 10)); !isTimeout(err) {
		t.Errorf("the next Read ended with %v", err)
	}
}

func TestBodyGivesTheSameErrorEachTime(t *testing.T) {
	c := newCutConn(rand.New(rand.NewPCG(1, 1)), []byte("abc"))
	b := &bodyReader{c: c, left: 10, pace: pace{limits: &c.p.limits}}
	io.Copy(io.Discard, bufio.NewReader(b))
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, errBodyCut) {
		t.Errorf("Read ended with %v", err)
	}
}
