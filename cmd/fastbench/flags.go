package main

import (
	"context"
	"net/http"
	"time"

	"fastproxy/bench"
)

// appFlags say where an app is and how it is reached.
type appFlags struct {
	URL     string        `arg:"" name:"URL" help:"Where the load goes."`
	Header  []string      `short:"H" sep:"none" placeholder:"'NAME: VALUE'" help:"Goes with every request and upgrade. May be given several times."`
	Cookie  string        `placeholder:"NAME=VALUE" help:"Same as -H 'Cookie: …'."`
	CA      string        `name:"ca" placeholder:"FILE" help:"Certificates (PEM) of authorities to trust beside the system's."`
	Source  []string      `placeholder:"ADDR" help:"Local address to connect from. May be given several times."`
	Timeout time.Duration `placeholder:"30s" help:"For connecting, for the handshake and for each answer."`
}

func (f *appFlags) app() (bench.Target, error) {
	lines := f.Header
	if f.Cookie != "" {
		lines = append(lines, "Cookie: "+f.Cookie)
	}
	t := bench.Target{URL: f.URL, Sources: f.Source, Timeout: f.Timeout}
	var err error
	if t.Header, err = bench.Headers(lines); err == nil && f.CA != "" {
		t.Roots, err = bench.Authorities(f.CA)
	}
	return t, err
}

// targetFlags say where the load goes and what is watched there.
type targetFlags struct {
	appFlags `embed:""`

	Pid     []int    `help:"Process whose memory, CPU and descriptors are watched, with its descendants. May be given several times."`
	PidFile []string `placeholder:"FILE" help:"The same, by a file with the number in it; read again after a restart."`
}

func (f *targetFlags) target() (bench.Target, error) {
	t, err := f.app()
	t.Pids, t.PidFiles = f.Pid, f.PidFile
	return t, err
}

// loopFlags are of the commands whose connections are an event loop's.
type loopFlags struct {
	Loops int `default:"1" placeholder:"N" help:"Event loops that share the connections; one is enough until a report says that the client was the bottleneck."`
}

// Help is what TLS costs here.
func (loopFlags) Help() string { return tlsHelp }

const tlsHelp = "With wss:// and https:// each open connection takes 6 KB of memory here instead of 0.3 KB, " +
	"and each handshake, which is always a whole one, about 1 ms of a processor here and more at the target: keep --ramp below what that allows."

// signInFlags say who signs in, and how.
type signInFlags struct {
	Login     []bench.Login `sep:"none" placeholder:"USER:PASSWORD" env:"FASTBENCH_LOGIN" help:"Sign in through the password form of fastproxy, Shiny Server Pro or Posit Connect. May be given several times; better kept in the variable."`
	OIDC      bool          `name:"oidc" help:"Sign in at the identity provider that the target redirects to."`
	AllowHost []string      `placeholder:"HOST" help:"Host that a sign-in may lead to, beside the target and loopback. May be given several times."`
}

func (f *signInFlags) signIn() bench.SignIn {
	return bench.SignIn{Logins: f.Login, OIDC: f.OIDC, AllowHosts: f.AllowHost}
}

// signedTarget is a target for many connections of one person, signed in once.
func signedTarget(ctx context.Context, t *targetFlags, s *signInFlags, l *loopFlags) (bench.Target, error) {
	target, err := t.target()
	if err != nil {
		return target, err
	}
	target.Loops = l.Loops
	in := s.signIn()
	var header http.Header
	if header, err = in.Header(ctx, target); err == nil {
		target.Header = header
	}
	return target, err
}
