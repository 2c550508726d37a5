package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// fault is a failure of which the kind is known, for counting. Its text holds
// no credential.
type fault struct {
	kind string
	text string
}

func (f *fault) Error() string { return f.text }

func faultf(kind, format string, args ...any) error {
	return &fault{kind, fmt.Sprintf(format, args...)}
}

// faultKind names the kind of a failure in a word or two.
func faultKind(err error) string {
	var f *fault
	var closed *closedBy
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &f):
		return f.kind
	case errors.As(err, &closed):
		return "closed " + strconv.Itoa(closed.code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &dns):
		return "name not found"
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &authority):
		return "tls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file descriptor"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	return "other"
}

// faultCount counts failures by kind and keeps the first message of each. Safe
// for many goroutines; the zero faultCount is ready.
type faultCount struct {
	mu    sync.Mutex
	kinds map[string]*Failure
}

// add counts one failure and reports whether it is the first of its kind.
func (c *faultCount) add(kind, sample string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[string]*Failure{}
	}
	f, ok := c.kinds[kind]
	if !ok {
		f = &Failure{Kind: kind, Sample: clip(sample, 300)}
		c.kinds[kind] = f
	}
	f.Count++
	return !ok
}

// list gives them, the most frequent first.
func (c *faultCount) list() []Failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Failure
	for _, f := range c.kinds {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}
