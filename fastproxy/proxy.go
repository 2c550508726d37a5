package fastproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/passwd"
	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/secret"
	"fastproxy/fastproxy/session"
	"fastproxy/jwks"
)

// Proxy is the front door. New opens what it needs; Run serves until its
// context ends.
type Proxy struct {
	// set once
	log      *audit.Log
	metrics  *metrics
	store    *session.Memory
	registry *session.Registry
	relay    *relay.Relay
	loops    []*loop.Loop // that tunnels and lanes wait in; taken by Run
	lanes    []*lane      // one on each loop; none: the portable engine has all connections
	box      *secret.Box
	formKey  secret.Key
	keys     *jwks.Keys     // nil without an issuer
	provider *oidc.Provider // nil without an issuer
	passwd   *passwd.File   // nil without a flat file
	backoff  *passwd.Backoff
	sockets  *sockets
	limits   limits

	current  atomic.Pointer[snapshot]
	conns    connSet
	room     *capacity
	stopping chan struct{}

	listeners []net.Listener
	ops       net.Listener
	control   net.Listener
	warnings  []string // of settings and flat file, for Greet and LogStart
}

// New builds a proxy from settings: it reads the flat file, opens the state
// directory and the listeners, and asks nobody on the network. The caller runs
// it, or closes it.
func New(set *Settings, log *audit.Log) (*Proxy, error) {
	p := &Proxy{log: log, metrics: newMetrics(), stopping: make(chan struct{}), backoff: passwd.NewBackoff(nil), sockets: newSockets(), limits: usualLimits}
	p.conns = connSet{all: make(map[*conn]struct{})}
	p.warnings = set.Warnings()
	err := p.open(set)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Proxy) open(set *Settings) error {
	if err := p.openState(set); err != nil {
		return err
	}
	if err := p.openLogins(set); err != nil {
		return err
	}
	p.room = newCapacity(set.ConnectionLimit(), descriptorRoom(descriptorLimit()), p.log.Logger())
	p.openLoops(set)
	p.relay = relay.NewOn(p.loops, relay.Options{})
	for _, l := range p.loops {
		p.lanes = append(p.lanes, newLane(p, l))
	}
	s, err := p.newSnapshot(set)
	if err != nil {
		return err
	}
	p.current.Store(s)
	p.metrics.watch(p)
	return p.openListeners(set)
}

// openState opens what survives a restart: the key of the cookies, and which
// sessions have ended.
func (p *Proxy) openState(set *Settings) error {
	dir := set.StateDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w (set STATE_DIR)", err)
	}
	key, previous, err := cookieKeys(set, dir)
	if err != nil {
		return err
	}
	var old []secret.Key
	for _, k := range previous {
		old = append(old, k.Derive("cookies"))
	}
	p.box = secret.NewBox(key.Derive("cookies"), old...)
	p.formKey = key.Derive("forms")
	p.store, err = session.OpenStore(dir, session.Options{Idle: set.Session.Idle, Max: set.Session.Max, OnError: p.stateFailed})
	if err != nil {
		return err
	}
	p.registry = session.NewRegistry(p.store, session.RegistryOptions{OnError: p.stateFailed, OnEnd: p.sessionEnded})
	return nil
}

// cookieKeys returns the key that seals cookies, and those that only open.
func cookieKeys(set *Settings, dir string) (current secret.Key, previous []secret.Key, err error) {
	if phrase, unusable := set.CookieSecret(); unusable == "" {
		current, err = secret.KeyFromPassphrase(phrase)
	} else {
		current, err = secret.LoadOrCreateKey(filepath.Join(dir, "cookie.key"))
	}
	if phrase, unusable := set.CookieSecretPrevious(); err == nil && unusable == "" && !phrase.IsZero() {
		previous = make([]secret.Key, 1)
		previous[0], err = secret.KeyFromPassphrase(phrase)
	}
	return current, previous, err
}

// openLogins readies the ways to sign in; the issuer is asked by Run.
func (p *Proxy) openLogins(set *Settings) error {
	if set.HasPasswd() {
		f, err := passwd.Open(set.Passwd.File, set.Passwd.GroupsFile)
		if err != nil {
			return err
		}
		p.warnings = append(slices.Clip(p.warnings), f.Warnings()...)
		p.passwd = f
	}
	if !set.HasOIDC() {
		return nil
	}
	return p.openIssuer(set)
}

func (p *Proxy) openListeners(set *Settings) (err error) {
	if p.listeners, err = listen(set.ListenAddrs()); err != nil {
		return err
	}
	if len(p.lanes) > 0 {
		for _, l := range p.listeners {
			if err = p.lanes[0].openEntrance(l); err != nil {
				return err
			}
		}
	}
	if p.ops, err = net.Listen("tcp", set.OpsListen); err != nil {
		return fmt.Errorf("ops listener: %w (set OPS_LISTEN)", err)
	}
	path := set.ControlPath()
	if err = removeStaleSocket(path); err != nil {
		return fmt.Errorf("control socket: %w (set CONTROL_SOCKET)", err)
	}
	if p.control, err = net.Listen("unix", path); err != nil {
		return fmt.Errorf("control socket: %w (set CONTROL_SOCKET)", err)
	}
	return os.Chmod(path, 0o600)
}

// Close releases what New opened; after Run it has nothing left to do.
func (p *Proxy) Close() error {
	for _, l := range append(p.listeners, p.ops, p.control) {
		if l != nil {
			l.Close()
		}
	}
	if s := p.current.Load(); s != nil {
		s.gate.Close()
	}
	p.discardLoops()
	if p.room != nil {
		p.room.close()
	}
	if p.store != nil {
		return p.store.Close()
	}
	return nil
}

// Addrs returns where it listens.
func (p *Proxy) Addrs() (all []net.Addr) {
	for _, l := range p.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Run serves until ctx ends, then lets answers under way finish (10 s at
// most), drops the tunnels, closes everything and returns. Dropped without a
// Close frame, Shiny Server's client takes it for an accident and resumes the
// same R session at the next process.
func (p *Proxy) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	start := func(name string, f func(context.Context) error) {
		running.Go(func() {
			if err := f(background); err != nil && background.Err() == nil {
				p.log.Logger().Error("stopped working", zap.String("fastproxy.part", name), zap.NamedError("error.message", err))
			}
		})
	}
	p.startParts(start)
	ops := p.serveHTTP(start, p.ops, p.opsHandler())
	control := p.serveHTTP(start, p.control, p.controlHandler())
	for _, l := range p.listeners {
		if len(p.lanes) == 0 {
			running.Go(func() { p.accept(l) })
		}
	}

	<-ctx.Done()
	p.log.Logger().Info("stopping: answers under way may finish")
	close(p.stopping)
	for _, l := range p.listeners {
		l.Close()
	}
	limit, cancel := context.WithTimeout(context.Background(), p.limits.drain)
	defer cancel()
	var lanes sync.WaitGroup
	lanes.Go(func() { drainLanes(limit, p.lanes) })
	p.conns.drain(limit)
	lanes.Wait()
	p.relay.Drain(limit, relay.Farewell{Reason: string(session.WhyShutdown)})
	ops.Close()
	control.Close()
	stop()
	running.Wait()
	return p.Close()
}

// startParts starts everything that works beside the requests.
func (p *Proxy) startParts(start func(string, func(context.Context) error)) {
	for _, l := range p.loops {
		start("event loop", l.Run)
	}
	p.loops = nil // they end themselves
	start("sessions", p.registry.Run)
	start("session journal", p.store.Run)
	for addr, b := range p.current.Load().backends {
		start("upstream "+addr, b.Run)
	}
	if p.passwd != nil {
		start("flat file", func(ctx context.Context) error {
			return p.passwd.Run(ctx, p.passwdChanged, p.passwdBroken)
		})
	}
	if p.provider != nil {
		start("issuer", p.provider.Run)
		start("issuer's keys", p.keys.Run)
	}
}

// serveHTTP runs a server of the standard library, for operators only.
func (p *Proxy) serveHTTP(start func(string, func(context.Context) error), l net.Listener, h http.Handler) *http.Server {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeadBytes}
	start("http "+l.Addr().String(), func(context.Context) error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return srv
}

// stateFailed hears of endings and activity that are not on disk. A session
// that ended is over in this process; after a restart a copy of its cookie
// could live again, which somebody must know.
func (p *Proxy) stateFailed(err error) {
	p.log.Logger().Error("cannot write the state: an ended session may come back with a restart", zap.NamedError("error.message", err))
}

// sessionEnded counts every ending, and writes down those that are not the
// visitor's own logout, which has a record with its request.
func (p *Proxy) sessionEnded(v session.Info, why session.Why, streams int) {
	p.metrics.sessionsEnded.WithLabelValues(string(why)).Inc()
	if why == session.WhyLogout {
		return
	}
	who := identity.Principal{Method: v.Key.Method, Issuer: v.Key.Issuer, Subject: v.Key.Subject}
	p.log.Event(&audit.Event{Action: audit.SessionEnd, User: who.RuleName(), Issuer: who.Issuer, Login: string(who.Method),
		Reason: string(why), Streams: streams})
}

// newGate returns the gate of one generation.
func (p *Proxy) newGate(s *snapshot) (*gate.Gate, error) {
	c := gate.Config{Sealer: s.sealer, Store: p.store, Issuer: s.settings.Issuer(), GroupsClaim: s.groupsClaim}
	if p.passwd != nil {
		c.PasswdFingerprint = p.passwd.Fingerprint
		if s.settings.Passwd.GroupsFile != "" {
			c.PasswdGroups = p.passwd.Groups
		}
	}
	if s.bearer {
		c.Bearer = bearer{p.keys, jwks.Expect{Issuer: s.settings.Issuer(), Audience: []string{s.settings.Auth0.Audience}, ClientID: s.settings.Auth0.ClientID}}
	}
	return gate.New(c)
}
