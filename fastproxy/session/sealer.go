package session

import (
	"errors"
	"fmt"
	"time"

	"fastproxy/fastproxy/secret"
)

const (
	// valueMax keeps name, value and attributes of each cookie under the 4096
	// bytes that browsers take (RFC 6265 section 6.1).
	valueMax = 3000
	// ValuesMax is into how many cookies one session may be split.
	ValuesMax = 4
)

var (
	// ErrTooLarge is the answer of Seal for a principal that does not fit in
	// ValuesMax cookies.
	ErrTooLarge = errors.New("session: too large for cookies")
	// ErrBadCookie is the answer of Open for anything that Seal, with the same
	// keys and cookie name, did not make.
	ErrBadCookie = errors.New("session: bad cookie")
	// ErrExpired is the answer of Open for a session past its last moment.
	ErrExpired = errors.New("session: expired")
)

// Sealer makes and reads the values of session cookies. It is safe for use by
// many goroutines.
//
// The sealed text is split into values of exactly 3000 bytes, the last one may
// be shorter; the first byte of the first value is their number, so that a
// cookie left over from a longer session does no harm. A session has one
// spelling: no other split of the same text opens.
type Sealer struct {
	box  *secret.Box
	name string
}

// NewSealer returns a sealer whose values open under this cookie name only.
func NewSealer(box *secret.Box, cookieName string) *Sealer {
	return &Sealer{box: box, name: cookieName}
}

// Seal returns the values of 1 to 4 cookies, in order, each of at most 3000
// characters from A-Z a-z 0-9 - _.
func (s *Sealer) Seal(v *Session) ([]string, error) {
	plain, size, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("session: seal cookie: %w", err)
	}
	text := s.box.Seal(s.name, plain)
	n := (1 + len(text) + valueMax - 1) / valueMax
	if n > ValuesMax {
		return nil, fmt.Errorf("session: seal cookie: %d groups, %d bytes of JSON: found %d bytes sealed, want at most %d: %w",
			len(v.Principal.Groups), size, 1+len(text), ValuesMax*valueMax, ErrTooLarge)
	}
	text = string(rune('0'+n)) + text
	values := make([]string, n)
	for i := range values {
		values[i] = text[i*valueMax : min(len(text), (i+1)*valueMax)]
	}
	return values, nil
}

// Span returns how many of the values, from the first, make one session by
// their outside; 0 if none can. It is cheap and proves nothing. The values are
// borrowed.
func Span(values [][]byte) int {
	if len(values) == 0 || len(values[0]) == 0 {
		return 0
	}
	n := int(values[0][0]) - '0'
	if n < 1 || n > ValuesMax || n > len(values) {
		return 0
	}
	for _, v := range values[:n-1] {
		if len(v) != valueMax {
			return 0
		}
	}
	if last := len(values[n-1]); last == 0 || last > valueMax {
		return 0
	}
	return n
}

// Open returns the session whose values these are, if it is not past its last
// moment; values beyond Span are ignored. The errors are ErrBadCookie and
// ErrExpired. The values are borrowed; nothing in the session points to them.
func (s *Sealer) Open(values [][]byte, now time.Time) (Session, error) {
	n := Span(values)
	if n == 0 {
		return Session{}, ErrBadCookie
	}
	text := make([]byte, 0, n*valueMax)
	for _, v := range values[:n] {
		text = append(text, v...)
	}
	plain, err := s.box.Open(s.name, text[1:])
	if err != nil {
		return Session{}, ErrBadCookie
	}
	v, err := decode(plain)
	if err != nil {
		return Session{}, ErrBadCookie
	}
	if !now.Before(v.Expires) {
		return Session{}, ErrExpired
	}
	return v, nil
}
