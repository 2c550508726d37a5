package session

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"fastproxy/fastproxy/identity"
)

// What is sealed is one byte for the form, then JSON as it is or deflated
// (RFC 1951), whichever is shorter.
const (
	formJSON     = 'j'
	formDeflated = 'd'

	cookieVersion = 1
	// jsonMax bounds what Open inflates; Seal makes nothing larger.
	jsonMax = 64 << 10
)

// cookie is the session as JSON. Members may be added, and are ignored by
// those who do not know them; another meaning needs another version.
type cookie struct {
	Version   int                `json:"v"`
	ID        string             `json:"id"`
	IssuedAt  int64              `json:"iat"` // unix seconds
	Expires   int64              `json:"exp"` // unix seconds
	Principal identity.Principal `json:"p"`
	SID       string             `json:"sid,omitempty"`
	Line      string             `json:"line,omitempty"`
}

// encode returns what is to be sealed, and the size of the JSON in it.
func encode(s *Session) (plain []byte, size int, err error) {
	c := cookie{
		Version:   cookieVersion,
		ID:        s.ID.String(),
		IssuedAt:  s.IssuedAt.Unix(),
		Expires:   s.Expires.Unix(),
		Principal: s.Principal,
		SID:       s.SID,
		Line:      s.Line,
	}
	if err := c.valid(); err != nil {
		return nil, 0, err
	}
	text, err := json.Marshal(&c)
	if err != nil {
		return nil, 0, err
	}
	if len(text) > jsonMax {
		return nil, 0, fmt.Errorf("%d groups: found %d bytes of JSON, want at most %d: %w",
			len(s.Principal.Groups), len(text), jsonMax, ErrTooLarge)
	}
	if d := deflate(text); len(d) < len(text) {
		return append([]byte{formDeflated}, d...), len(text), nil
	}
	return append([]byte{formJSON}, text...), len(text), nil
}

// decode reads what encode wrote. Its errors are not for visitors.
func decode(plain []byte) (Session, error) {
	if len(plain) == 0 {
		return Session{}, errors.New("found nothing")
	}
	text := plain[1:]
	switch plain[0] {
	case formJSON:
	case formDeflated:
		var err error
		if text, err = inflate(text); err != nil {
			return Session{}, err
		}
	default:
		return Session{}, errors.New("found another form")
	}
	var c cookie
	if err := json.Unmarshal(text, &c); err != nil {
		return Session{}, err
	}
	if err := c.valid(); err != nil {
		return Session{}, err
	}
	id, err := ParseID(c.ID)
	if err != nil {
		return Session{}, err
	}
	return Session{
		ID:        id,
		IssuedAt:  time.Unix(c.IssuedAt, 0),
		Expires:   time.Unix(c.Expires, 0),
		Principal: c.Principal,
		SID:       c.SID,
		Line:      c.Line,
	}, nil
}

// lastSecond is the last one that int64 nanoseconds can tell, in the year 2262.
const lastSecond = 1<<63/1_000_000_000 - 1

func (c *cookie) valid() error {
	p := &c.Principal
	switch {
	case c.Version != cookieVersion:
		return fmt.Errorf("found version %d, want %d", c.Version, cookieVersion)
	case c.IssuedAt <= 0 || c.Expires <= c.IssuedAt || c.Expires > lastSecond:
		return errors.New("found times that no session has")
	case p.Subject == "":
		return errors.New("found nobody")
	case p.Method != identity.MethodOIDC && p.Method != identity.MethodPasswd:
		return errors.New("found an unknown method")
	}
	// JSON would put U+FFFD in the place of other bytes: somebody else's name.
	for _, s := range append([]string{p.Subject, p.Issuer, p.Email, c.SID, c.Line}, p.Groups...) {
		if !utf8.ValidString(s) {
			return errors.New("found bytes that are not UTF-8")
		}
	}
	return nil
}

// A flate writer is 800 KB, a reader 40 KB: too much for each of a thousand
// people who sign in on Monday morning.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestCompression)
		if err != nil {
			panic(err) // only for other levels
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

func deflate(text []byte) []byte {
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	w.Write(text) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

func inflate(text []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(text), nil); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, jsonMax+1))
	if err != nil {
		return nil, err
	}
	if len(out) > jsonMax {
		return nil, fmt.Errorf("found more than %d bytes inflated", jsonMax)
	}
	return out, nil
}
