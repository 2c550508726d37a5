package bench

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"sync"
)

// tlsSide is TLS on one conn. The handshake, which computes for a
// millisecond and waits for answers, has a goroutine of its own; it reads what
// the loop feeds it. From then on all happens on the loop: what was read is
// decrypted as far as it goes, and for more there is errNothingYet, of which
// crypto/tls says nothing to the other side and keeps nothing in mind.
type tlsSide struct {
	conn *conn
	tls  *tls.Conn
	over bool // the handshake is; the loop's

	mu     sync.Mutex
	came   sync.Cond
	in     []byte // read from the socket, not yet by tls
	onLoop bool   // nothing in in is no reason to wait
	ended  error  // what the socket said after in
	closed bool
}

// errNothingYet is a net.Error that is Temporary, which crypto/tls forgets.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// startTLS begins the handshake on c, which has just been connected.
func startTLS(c *conn) {
	cl := c.client
	s := &tlsSide{conn: c}
	s.came.L = &s.mu
	s.tls = tls.Client(tlsWire{side: s}, cl.site.tls)
	c.tls = s
	cl.running.Go(s.shakeHands)
}

func (s *tlsSide) shakeHands() {
	err := s.tls.Handshake()
	s.mu.Lock()
	s.onLoop = true
	s.mu.Unlock()
	s.conn.client.loop.Post(func() {
		switch c := s.conn; {
		case c.tls != s: // it was closed meanwhile
		case err != nil:
			if faultKind(err) == "other" {
				err = faultf("tls", "%v", err)
			}
			c.end(err)
		default:
			s.over = true
			if c.greet(); c.tls == s {
				s.read(nil)
			}
		}
	})
}

// read takes b, which the loop has read and which is borrowed.
func (s *tlsSide) read(b []byte) {
	s.mu.Lock()
	if !s.over || len(s.in) > 0 {
		s.in = append(s.in, b...)
	} else {
		s.in = b
	}
	s.came.Signal()
	s.mu.Unlock()
	c := s.conn
	for room := c.client.clear; s.over && c.tls == s; {
		n, err := s.tls.Read(room)
		if n > 0 {
			c.takeClear(room[:n])
		}
		switch {
		case err == errNothingYet || c.tls != s:
			return
		case err != nil:
			c.end(err)
		}
	}
}

// end takes that the socket ended, or failed. During the handshake that is
// for it to judge: it may just have refused the other side.
func (s *tlsSide) end(cause error) {
	if s.over {
		s.conn.end(cause)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = cause
	s.came.Signal()
}

// write encrypts b, which is borrowed.
func (s *tlsSide) write(b []byte) {
	if _, err := s.tls.Write(b); err != nil && s.conn.tls == s {
		s.conn.end(err)
	}
}

// close ends the handshake, if that goes on.
func (s *tlsSide) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.came.Signal()
}

// tlsWire is what crypto/tls takes for the network: a net.Conn as far as a
// handshake without a context, Read and Write use it.
type tlsWire struct {
	net.Conn
	side *tlsSide
}

// Read takes what was read from the socket. It waits during the handshake only.
func (w tlsWire) Read(b []byte) (int, error) {
	s := w.side
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in) == 0 && !s.closed && !s.onLoop && s.ended == nil {
		s.came.Wait()
	}
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.in) == 0 && s.ended != nil:
		return 0, s.ended
	case len(s.in) == 0:
		return 0, errNothingYet
	}
	n := copy(b, s.in)
	if s.in = s.in[n:]; len(s.in) == 0 {
		s.in = nil
	}
	return n, nil
}

// Write sends b now, or as soon as there is room.
func (w tlsWire) Write(b []byte) (int, error) {
	s := w.side
	c := s.conn
	if s.over {
		c.writeRaw(b)
		return len(b), nil
	}
	out := append([]byte(nil), b...)
	if !c.client.loop.Post(func() {
		if c.tls == s {
			c.writeRaw(out)
		}
	}) {
		return 0, os.ErrClosed
	}
	return len(b), nil
}

// Close is asked for when a handshake fails; the loop closes the socket.
func (w tlsWire) Close() error { return nil }

// Authorities reads a file of certificates to trust beside the system's.
func Authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("authorities: %v", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, usage("authorities: found no certificate in %s, want some as PEM", file)
	}
	return pool, nil
}
