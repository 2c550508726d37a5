package bench

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// guest is one visitor of a storm. One goroutine at a time uses it.
type guest struct {
	storm   *storm
	visitor *visitor
	page    []byte // until the socket's path is known
	path    string // of the socket
	socket  *webSocket
	in      *inbox
}

// enter signs in when it is due and opens the socket.
func (g *guest) enter(ctx context.Context, due time.Time) {
	if !pause(ctx, nil, time.Until(due)) {
		return
	}
	c := g.storm.crowd
	c.opening(1)
	defer c.opening(-1)
	g.visitor = newVisitor(g.storm.net)
	if err := g.visit(ctx); err != nil {
		g.failed(ctx, err)
		return
	}
	c.took("login", time.Since(due))
	c.done()
	if g.storm.o.Socket == noSocket {
		return
	}
	start := time.Now()
	if err := g.open(ctx); err != nil {
		g.path = "" // was never in, so it cannot come back
		g.failed(ctx, err)
		return
	}
	c.took("handshake", time.Since(start))
	c.timed("entry", time.Since(due))
	c.opened()
}

// visit is a whole sign-in, or where nobody is to sign in a look at the page.
func (g *guest) visit(ctx context.Context) error {
	s := g.storm
	defer g.visitor.close()
	if s.o.SignIn.asked() {
		a, err := g.visitor.signIn(ctx, &s.o.SignIn, s.people.next())
		if err == nil {
			g.page = a.body
		}
		return err
	}
	c := s.net.homeCall("/")
	c.accept, c.want = acceptPage, maxPage
	a, err := g.visitor.do(ctx, c)
	if err != nil {
		return err
	}
	if a.status >= 300 {
		return faultf("status "+strconv.Itoa(a.status), "the page is answered %d, want 200", a.status)
	}
	g.page = a.body
	return nil
}

// open opens the socket and, with SockJS, the app on it.
func (g *guest) open(ctx context.Context) error {
	var err error
	if g.path, err = g.storm.socket.of(g.page); err != nil {
		return err
	}
	g.page = nil
	g.in = newEars(&g.storm.net.bytesIn)
	socket, err := g.visitor.dialWebSocket(ctx, g.path, g.in)
	if err != nil {
		return err
	}
	g.socket = socket
	if strings.Contains(g.path, "/__sockjs__/") {
		return g.socket.send(ctx, `["0#0|o|"]`)
	}
	return nil
}

func (g *guest) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		g.storm.crowd.failed(err)
	}
}

// notice counts a socket that the other side has ended.
func (g *guest) notice() {
	if g.socket == nil {
		return
	}
	if err := g.in.failure(); err != nil {
		g.storm.crowd.lost(endCode(err))
		g.storm.crowd.failed(err)
		g.socket = nil
	}
}

// drop cuts the connection, as a network that is gone: no goodbye.
func (g *guest) drop() {
	g.notice()
	if g.socket == nil {
		return
	}
	g.in.closing.Store(true)
	g.socket.conn.Close()
	g.socket = nil
	g.storm.crowd.closed()
}

// giveUpAfter is how long Shiny Server keeps a session for who comes back, and
// how long its client tries.
const giveUpAfter = 15 * time.Second

// comeBack opens the socket again when it is due, as often as a client tries.
func (g *guest) comeBack(ctx context.Context, due time.Time) {
	if g.path == "" || !pause(ctx, nil, time.Until(due)) {
		return
	}
	c := g.storm.crowd
	c.opening(1)
	defer c.opening(-1)
	var err error
	for try := 0; time.Since(due) < giveUpAfter; try++ {
		if !pause(ctx, nil, comeBackAfter[min(try, len(comeBackAfter)-1)]) {
			return
		}
		if err = g.open(ctx); err == nil {
			c.took("reconnect", time.Since(due))
			c.live.Open.Add(1)
			c.count(func(n *Counts) { n.Reopened++ })
			return
		}
		c.count(func(n *Counts) { n.Retries++ })
	}
	if err == nil {
		err = errors.New("did not come back")
	}
	g.failed(ctx, err)
}

// leave says goodbye.
func (g *guest) leave() {
	g.notice()
	if g.socket != nil {
		g.socket.close()
		g.storm.crowd.closed()
	}
}
