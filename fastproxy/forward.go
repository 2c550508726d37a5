package fastproxy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/upstream"
)

// maxInterim is how many 1xx answers may come before the final one.
const maxInterim = 16

// Failures of an exchange with a backend, as the visitor is told of them.
var (
	errDial       = errors.New("cannot connect")
	errStale      = errors.New("closed a reused connection without an answer")
	errBroken     = errors.New("ended the connection without an answer")
	errSlow       = errors.New("no answer in time")
	errClientGone = errors.New("the client went away")
	errUpload     = errors.New("the request body was malformed or ended early")
	errFault      = errors.New("a fault of fastproxy's own")
	errDeniedOpen = errors.New("the request opens an app that is not the visitor's")
)

// transfer is one exchange with a backend over one connection.
type transfer struct {
	p  *Proxy
	s  *snapshot
	x  *exchange
	r  *route
	uc *upstream.Conn

	watch    watch
	dropped  atomic.Pointer[error] // why uc was closed before its answer ended
	uploaded chan struct{}         // closed when the body's goroutine ended; nil without a body
	bodyRead atomic.Bool           // the client sent its body to the end
	sendErr  error                 // of the upload; read after uploaded is closed

	mu       sync.Mutex
	answered bool // guarded by mu: the final head is here, its deadline is over

	buf    []byte // pooled; buf[from:to] was read from uc and not used
	from   int
	to     int
	heard  bool // the backend said something
	answer answerHead
	reuse  bool // uc may carry another exchange
}

// forward carries one admitted request to Shiny and its answer back, both
// ways at once, and keeps no more of either than a buffer.
func (p *Proxy) forward(x *exchange, s *snapshot, r *route) {
	x.giveContext()         // Shiny may take long, and none of our pages is asked for
	err := x.c.loan.failure // Shiny was asked, on a lane
	if err == nil {
		err = p.transfer(x, s, r)
	}
	switch {
	case err == nil:
	case err == errFault:
		p.sayFault(x)
	case errors.Is(err, session.ErrEnded): // while Shiny thought about the answer
		p.answerSignIn(x, s, r)
	default:
		p.backendFailed(x, s, r, err)
	}
}

// transfer is forward; its error means that no answer to the client has begun.
func (p *Proxy) transfer(x *exchange, s *snapshot, r *route) error {
	t, err := p.reach(x, s, r)
	if err != nil {
		return err
	}
	defer t.end()
	p.room.hold(1)
	defer p.room.release(1)
	if t.answer.status == 101 {
		return t.join()
	}
	return t.sendAnswer()
}

// reach sends the request and waits for the head of the final answer. A safe
// request without a body is sent once more, on a new connection, when a
// reused one turns out to have been closed and not a byte came back (RFC 9110
// section 9.2.2, RFC 9112 section 9.3.1).
func (p *Proxy) reach(x *exchange, s *snapshot, r *route) (*transfer, error) {
	const ourLines = 512 // beside who is there
	req := s.appendRequestHead(takeBuffer(len(x.head.raw) + len(r.identity) + ourLines)[:0], x, r)
	defer giveBuffer(req)
	room := copyBuffer // most answers come in one piece
	switch {
	case x.head.upgrade:
		room = firstBuffer // a busy R answers late, to many at once, and the answer is short
	case x.head.hasBody():
		room = smallBuffer // it may be held for as long as the client sends, and the answer is short
	}
	for fresh := x.head.upgrade; ; fresh = true {
		uc, err := connect(r.backend, fresh)
		if err != nil {
			return nil, errors.Join(errDial, err)
		}
		t := &transfer{p: p, s: s, x: x, r: r, uc: uc, buf: takeBuffer(room), answer: answerHead{lines: x.lines}}
		if err = t.begin(req); err == nil {
			return t, nil
		}
		if err != errStale || !x.head.safe() || x.head.hasBody() {
			return nil, err
		}
	}
}

func connect(b *upstream.Backend, fresh bool) (*upstream.Conn, error) {
	if fresh {
		return b.Dial(context.Background())
	}
	return b.Get(context.Background())
}

// begin exchanges heads, or ends the transfer, also when it panics.
func (t *transfer) begin(req []byte) (err error) {
	err = errBroken
	t.x.c.setAsking(t)
	defer func() {
		if err != nil {
			t.end()
		}
	}()
	err = t.exchangeHeads(req)
	return err
}

func (t *transfer) exchangeHeads(req []byte) error {
	t.watch = watch{c: t.x.c, gone: t.clientGone}
	t.uc.SetReadDeadline(time.Time{})
	t.uc.SetWriteDeadline(time.Now().Add(t.s.headerTimeout))
	_, err := t.uc.Write(req)
	if isTimeout(err) {
		return errSlow
	}
	// Another failure may still have an answer behind it, or shows when it is read.
	if !t.x.head.hasBody() {
		t.uc.SetReadDeadline(time.Now().Add(t.s.headerTimeout))
		t.watch.start()
		return t.readFinalHead()
	}
	// The client is asked for its body here, where no answer can overtake it.
	if err == nil && t.x.sendContinue() != nil {
		return errClientGone
	}
	t.uploaded = make(chan struct{})
	go t.upload(err)
	return t.readFinalHead()
}

// drop closes the backend's connection, which is how R learns that nobody
// waits any more. The first reason counts.
func (t *transfer) drop(why error) {
	t.dropped.CompareAndSwap(nil, &why)
	t.uc.Close()
}

func (t *transfer) clientGone() { t.drop(errClientGone) }

// readFinalHead reads heads until one is final; interim ones are passed on to
// clients that know them (RFC 9110 section 15.2), but for 100, which answers
// an Expect that was ours to answer.
func (t *transfer) readFinalHead() error {
	for interims := 0; ; interims++ {
		if err := t.readHead(); err != nil {
			return err
		}
		a := &t.answer
		final := a.status >= 200 || a.status == 101 && t.x.head.upgrade
		switch {
		case final:
			t.mu.Lock()
			t.answered = true
			t.uc.SetReadDeadline(time.Time{})
			t.mu.Unlock()
			return nil
		case a.status == 101, interims == maxInterim:
			return errAnswerHead
		case a.status != 100 && t.x.head.minor == 1:
			head := t.s.appendAnswerHead(nil, t.x, t.r, a)
			t.x.heads += int64(len(head))
			if err := t.x.write(head); err != nil {
				return errClientGone
			}
		}
	}
}

// readHead reads one head into t.answer.
func (t *transfer) readHead() error {
	t.to = copy(t.buf, t.buf[t.from:t.to])
	t.from = 0
	seen := 0
	for {
		n, serr := findHeadEnd(t.buf[:t.to], seen)
		if serr != nil || n == 0 && t.to == maxAnswerHead {
			return errAnswerHead
		}
		if n > 0 {
			t.from = n
			return scanAnswer(t.buf[:n], &t.answer)
		}
		if t.to == len(t.buf) {
			b := takeBuffer(maxAnswerHead)
			copy(b, t.buf)
			giveBuffer(t.buf)
			t.buf = b
		}
		seen = t.to
		k, err := t.uc.Read(t.buf[t.to:])
		t.to += k
		t.heard = t.heard || k > 0
		if k == 0 && err != nil {
			return t.headFailed(err)
		}
	}
}

func (t *transfer) headFailed(err error) error {
	why := t.dropped.Load()
	switch {
	case why != nil:
		return *why
	case isTimeout(err):
		return errSlow
	case !t.heard && t.uc.Reused():
		return errStale
	}
	return errBroken
}

// end gives back what the transfer holds; the client's connection is the
// exchange's again.
func (t *transfer) end() {
	if t.uploaded != nil {
		t.endUpload()
	}
	t.watch.stop()
	t.x.c.setAsking(nil)
	t.x.lines = t.answer.lines[:0]
	dropped := t.dropped.Load() != nil
	if dropped {
		t.x.closing = true
	}
	switch {
	case t.uc == nil: // a tunnel has it
	case t.reuse && !dropped:
		t.r.backend.Put(t.uc)
	default:
		t.uc.Close()
	}
	giveBuffer(t.buf)
}
