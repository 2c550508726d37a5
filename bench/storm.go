package bench

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Storm has many visitors come at once, as at nine o'clock: each signs in, and
// opens a WebSocket. Their sockets are held for o.For; then, Drops times,
// everybody is cut off at once, as by a restart or a lost network, and comes
// back with the session they have, as often as a Shiny client tries.
//
// Visitors come when they are due, however slow the target is, and what is
// timed is timed from that moment ("login" until the page is there, "entry"
// until the socket is open, "reconnect").
//
// When ctx ends the run does, and there still is a Result. An error is a
// *UsageError, or says that the measuring sign-ins failed.
func Storm(ctx context.Context, o StormOptions, live *Live) (*Result, error) {
	s, err := newStorm(&o, live)
	if err != nil {
		return nil, err
	}
	if err := s.choosePace(ctx); err != nil {
		return nil, err
	}
	counting, stop := context.WithCancel(context.Background())
	var counted sync.WaitGroup
	counted.Go(func() { s.crowd.keep(counting) })
	s.run(ctx)
	stop()
	counted.Wait()
	return s.result(ctx), nil
}

// storm is a run under way.
type storm struct {
	o      *StormOptions
	net    *network
	people logins
	crowd  *crowd
	socket socketPath
	guests []*guest

	from, to time.Time // first login due, last one over
	spent    float64   // CPU seconds of the target in that time
	open     int       // sockets at the end
}

func newStorm(o *StormOptions, live *Live) (*storm, error) {
	if o.Logins < 1 {
		return nil, usage("storm: found %d logins, want at least 1", o.Logins)
	}
	if o.Over < 0 || o.For < 0 || o.Drops < 0 || o.ReturnOver < 0 {
		return nil, usage("storm: found a negative time or number, want 0 or more")
	}
	if err := o.SignIn.check(); err != nil {
		return nil, err
	}
	s := &storm{o: o, people: logins{list: o.SignIn.Logins}}
	var err error
	if s.net, err = newNetwork(&o.Target, &o.SignIn); err != nil {
		return nil, err
	}
	if err := s.socket.set(o.Socket); err != nil {
		return nil, err
	}
	if o.Drops > 0 && o.Socket == noSocket {
		return nil, usage("storm: drops need sockets")
	}
	// The connection to the target and the one to the identity provider.
	if err := checkFiles(2 * o.Logins); err != nil {
		return nil, err
	}
	s.net.spread(o.Logins)
	live = cmp.Or(live, new(Live))
	live.Planned.Store(int64(o.Logins))
	s.crowd, err = newCrowd(&o.Target, live)
	return s, err
}

// measuredSignIns are made one after the other before a storm whose pace is
// left to the password check.
const measuredSignIns = 3

// choosePace finds how fast a password form lets people in, if that is asked.
func (s *storm) choosePace(ctx context.Context) error {
	if s.o.Over > 0 || s.o.SignIn.OIDC || !s.o.SignIn.asked() {
		return nil
	}
	s.crowd.live.SetPhase("measuring a sign-in")
	var took []time.Duration
	for range measuredSignIns {
		v := newVisitor(s.net)
		start := time.Now()
		_, err := v.signIn(ctx, &s.o.SignIn, s.people.next())
		v.close()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	each := took[len(took)/2]
	s.o.Over = each * time.Duration(s.o.Logins)
	s.crowd.note("One sign-in by password took %s, so they were spread over %s: one after the other.",
		micros(float64(each.Microseconds())), clock(s.o.Over))
	return nil
}

// run lets everybody come, stay, and drop.
func (s *storm) run(ctx context.Context) {
	live := s.crowd.live
	before := s.crowd.look()
	s.from = time.Now()
	s.guests = make([]*guest, s.o.Logins)
	live.SetPhase("signing in")
	s.everybody(func(i int, g *guest) {
		due := s.from.Add(s.o.Over * time.Duration(i) / time.Duration(s.o.Logins))
		g.enter(ctx, due)
	})
	s.to = time.Now()
	s.spent = s.crowd.look() - before
	if ctx.Err() == nil && live.Open.Load() > 0 {
		live.SetPhase("holding")
		live.Duration.Store(int64(s.o.For))
		s.hold(ctx)
	}
	for range s.o.Drops {
		if ctx.Err() != nil {
			break
		}
		live.SetPhase("dropping")
		s.everybody(func(_ int, g *guest) { g.drop() })
		s.net.running.Wait()
		live.SetPhase("reconnecting")
		start := time.Now()
		s.everybody(func(i int, g *guest) {
			g.comeBack(ctx, start.Add(s.o.ReturnOver*time.Duration(i)/time.Duration(s.o.Logins)))
		})
	}
	s.everybody(func(_ int, g *guest) { g.notice() })
	s.open = int(live.Open.Load())
	live.SetPhase("closing")
	s.everybody(func(_ int, g *guest) { g.leave() })
	s.net.running.Wait()
}

// everybody does something for every guest at once and waits for all.
func (s *storm) everybody(do func(i int, g *guest)) {
	var all sync.WaitGroup
	for i := range s.guests {
		if s.guests[i] == nil {
			s.guests[i] = &guest{storm: s}
		}
		all.Go(func() { do(i, s.guests[i]) })
	}
	all.Wait()
}

func (s *storm) hold(ctx context.Context) {
	begin := time.Now()
	for gone := time.Duration(0); gone < s.o.For && pause(ctx, nil, min(200*time.Millisecond, s.o.For-gone)); gone = time.Since(begin) {
		s.crowd.live.Measured.Store(int64(gone))
	}
	s.crowd.live.Measured.Store(int64(s.o.For))
}

// result adds to the accounts what only a storm has.
func (s *storm) result(ctx context.Context) *Result {
	r := s.crowd.result(ctx, "storm", s.net)
	r.Counts.Planned, r.Counts.OpenAtEnd = s.o.Logins, s.open
	if took := s.to.Sub(s.from).Seconds(); took > 0 {
		r.Derived["logins_per_second"] = float64(r.Counts.Sessions) / took
	}
	if n := r.Counts.Sessions; n > 0 && len(r.Targets) > 0 {
		r.Derived["cpu_us_per_login"] = s.spent * 1e6 / float64(n)
	}
	return r
}

// noSocket asks for sign-ins only.
const noSocket = "none"

// socketPath is where the app's WebSocket is; found out from the first page
// that is seen, unless it was given.
type socketPath struct {
	mu    sync.Mutex
	path  tokenText
	known bool
}

func (p *socketPath) set(path string) error {
	if path == "" || path == noSocket {
		return nil
	}
	cut, err := cutTokens("/" + strings.TrimPrefix(path, "/"))
	if err != nil {
		return usage("storm: socket: %v", err)
	}
	p.path, p.known = cut, true
	return nil
}

const (
	plainSocket  = "/websocket/"
	sockJSSocket = "/__sockjs__/n=${" + tokenRobust + "}/${" + tokenSockJS + "}/websocket"
)

// of gives it for one connection.
func (p *socketPath) of(page []byte) (string, error) {
	p.mu.Lock()
	if !p.known {
		shape := plainSocket
		if serverOf(page, nil) == typeServer {
			shape = sockJSSocket
		}
		p.path, _ = cutTokens(shape)
		p.known = true
	}
	path := p.path
	p.mu.Unlock()
	return path.fill(map[string]string{tokenRobust: randomHex(18), tokenSockJS: "000/" + randomHex(8)})
}
