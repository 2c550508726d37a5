package relay

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// source reads one leg and holds a buffer only while bytes wait. It belongs
// to one goroutine.
type source interface {
	// next waits for bytes and lends them until release. Bytes may come with
	// an error. errWoken: a deadline passed; it is lifted.
	next() ([]byte, error)
	release()
	// watch waits, after next has returned io.EOF, until the peer resets the
	// connection, and returns that error, or errUnwatched when the leg was
	// closed or woken or cannot be watched.
	watch() error
}

var (
	errWoken     = errors.New("relay: woken")
	errUnwatched = errors.New("relay: no longer watched")
)

// buffers lends buffers of one size.
type buffers struct{ pool sync.Pool }

func newBuffers(size int) *buffers {
	return &buffers{sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

func (b *buffers) get() *[]byte  { return b.pool.Get().(*[]byte) }
func (b *buffers) put(p *[]byte) { b.pool.Put(p) }

// plainSource reads any net.Conn. Such a connection (TLS above all) cannot be
// asked whether bytes wait, so it is read into a small buffer of its own; a
// small read that comes back full is followed by large ones into a lent
// buffer, until one brings little or largeWait brings none.
type plainSource struct {
	conn  net.Conn
	pool  *buffers
	small []byte
	lent  *[]byte
	large bool // the next read is one
}

const (
	smallRead = 1 << 10
	largeWait = 250 * time.Millisecond
)

func newPlainSource(conn net.Conn, pool *buffers) *plainSource {
	return &plainSource{conn: conn, pool: pool, small: make([]byte, smallRead)}
}

func (s *plainSource) next() ([]byte, error) {
	into := s.small
	if s.large {
		s.lent = s.pool.get()
		into = *s.lent
		s.conn.SetReadDeadline(time.Now().Add(largeWait))
	}
	n, err := s.conn.Read(into)
	s.large = n >= smallRead
	if isTimeout(err) { // largeWait's may fall due in the small read behind it, once
		s.conn.SetReadDeadline(time.Time{})
		err = errWoken
	}
	return into[:n], err
}

func (s *plainSource) release() {
	if s.lent != nil {
		s.pool.put(s.lent)
		s.lent = nil
	}
}

// watch cannot: reading on would answer EOF again at once.
func (s *plainSource) watch() error { return errUnwatched }

func isTimeout(err error) bool {
	return err != nil && errors.Is(err, os.ErrDeadlineExceeded)
}
