package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Run serves the pocket Auth0 and the pocket Shiny on the two listeners until
// ctx ends or one of them fails, then closes s and both servers and waits for
// them. It owns the listeners from the call on, even when it fails. They must be
// on loopback: both neighbours let anybody in. The error is nil when ctx ended it.
func Run(ctx context.Context, auth0At net.Listener, a *Auth0, shinyAt net.Listener, s *Shiny) error {
	for _, l := range []net.Listener{auth0At, shinyAt} {
		if !loopback(l.Addr()) {
			return errors.Join(
				fmt.Errorf("demo: listen on %s: want a loopback address, the demonstration lets anybody in", l.Addr()),
				auth0At.Close(), shinyAt.Close())
		}
	}
	auth0Server := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	// Idle connections end after 5 s, as those of Shiny Server do: a proxy's
	// pool has to be quicker.
	shinyServer := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Second}

	failed := make(chan error, 2)
	go serveUntilClosed(auth0Server, auth0At, failed)
	go serveUntilClosed(shinyServer, shinyAt, failed)
	ended := 0
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		ended++
	}
	s.Close()
	stop(auth0Server)
	stop(shinyServer)
	for ; ended < 2; ended++ {
		err = errors.Join(err, <-failed)
	}
	return err
}

func serveUntilClosed(server *http.Server, l net.Listener, failed chan<- error) {
	err := server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("demo: serve on %s: %w", l.Addr(), err)
	}
	failed <- err
}

// stop lets answers under way finish for a second, then cuts them.
func stop(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
