package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fastproxy/fastproxy"
	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/demo"
)

type demoCommand struct {
	Port int    `default:"3000" help:"Where the proxy listens on localhost; 0 for any free port."`
	Log  string `placeholder:"FILE" help:"Where the proxy's records go (default: nowhere)."`
}

// run starts the three and prints the URL; everything is gone when it ends.
func (c *demoCommand) run() int {
	dir, err := os.MkdirTemp("", "fastproxy-demo-")
	if err != nil {
		return demoFailed(err)
	}
	defer os.RemoveAll(dir)
	// A terminal that is closed ends the demo too, and nothing of it stays:
	// not even when Ctrl-C comes twice, so the signals are ours to the end.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	port, err := freePort(c.Port)
	if err != nil {
		return demoFailed(err)
	}
	origin := "http://localhost:" + strconv.Itoa(port)
	n, err := newNeighbours(origin)
	if err != nil {
		return demoFailed(err)
	}
	defer n.close()
	set, err := demoSettings(dir, origin, port, n)
	if err != nil {
		return demoFailed(err)
	}
	log, err := audit.Open(c.logFile(), "info")
	if err != nil {
		return demoFailed(err)
	}
	defer closeLog(log)
	p, err := fastproxy.New(set, log)
	if err != nil {
		return demoFailed(err)
	}
	fmt.Printf("Open %s/ and sign in as kim (sees every company) or sam (sees only DL). Ctrl-C ends it.\n", origin)
	var running sync.WaitGroup
	running.Go(func() {
		n.run(ctx)
		end() // the one cannot do without the others
	})
	err = p.Run(ctx)
	running.Wait()
	if err != nil {
		return demoFailed(err)
	}
	return 0
}

// neighbours are the pocket Auth0 and the pocket Shiny. They are on 127.0.0.1,
// the proxy is on localhost: cookies know no ports, only hosts.
type neighbours struct {
	auth0                     *demo.Auth0
	shiny                     *demo.Shiny
	auth0At, shinyAt, adminAt net.Listener
}

func newNeighbours(origin string) (n *neighbours, err error) {
	n = &neighbours{}
	for _, at := range []*net.Listener{&n.auth0At, &n.shinyAt, &n.adminAt} {
		if *at, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			n.close()
			return nil, err
		}
	}
	n.auth0, err = demo.NewAuth0(demo.Auth0Options{
		Issuer: "http://" + n.auth0At.Addr().String() + "/", ClientID: "demo", ClientSecret: "demo-client-secret",
		Callbacks: []string{origin + "/callback"}, LogoutURLs: []string{origin + "/callback"},
	})
	if err != nil {
		n.close()
		return nil, err
	}
	n.shiny = demo.NewShiny(demo.ShinyOptions{Links: []demo.Link{
		{Href: "/.fastproxy/session", Label: "Your session"}, {Href: "/admin/", Label: "Admin"}, {Href: "/logout", Label: "Sign out"},
	}})
	return n, nil
}

// run serves both until ctx ends. The pocket Shiny has a second port for
// /admin/: what one rule lets in and another does not must not be one upstream.
func (n *neighbours) run(ctx context.Context) {
	admin := &http.Server{Handler: n.shiny.Handler(), ReadHeaderTimeout: 10 * time.Second}
	var running sync.WaitGroup
	running.Go(func() { admin.Serve(n.adminAt) })
	if err := demo.Run(ctx, n.auth0At, n.auth0, n.shinyAt, n.shiny); err != nil {
		fmt.Fprintln(os.Stderr, "fastproxy:", err)
	}
	admin.Close()
	running.Wait()
}

func (n *neighbours) close() {
	for _, at := range []net.Listener{n.auth0At, n.shinyAt, n.adminAt} {
		if at != nil {
			at.Close()
		}
	}
}

func portOf(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

func (c *demoCommand) logFile() string {
	if c.Log == "" {
		return os.DevNull
	}
	return c.Log
}

func demoFailed(err error) int {
	fmt.Fprintln(os.Stderr, "fastproxy: demo:", err)
	return exitFailed
}

// freePort returns the wanted port, or any free one when it is taken.
func freePort(want int) (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(want))
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return 0, err
		}
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// demoSettings are what somebody would write into a .env for this.
func demoSettings(dir, origin string, port int, n *neighbours) (*fastproxy.Settings, error) {
	ops, err := freePort(0)
	if err != nil {
		return nil, err
	}
	listen := []string{"127.0.0.1:" + strconv.Itoa(port)}
	if l, err := net.Listen("tcp", "[::1]:"+strconv.Itoa(port)); err == nil {
		l.Close()
		listen = append(listen, "[::1]:"+strconv.Itoa(port)) // browsers may try it first for localhost
	}
	return fastproxy.LoadSettings(fastproxy.SourceFlags{Dir: dir, Environ: []string{
		"AUTH0_ISSUER_URL=" + n.auth0.Issuer(), "AUTH0_CLIENT_ID=demo", "AUTH0_CLIENT_SECRET=demo-client-secret",
		"AUTH0_CALLBACK_URL=" + origin + "/callback", "AUTH0_GROUPS_CLAIM=" + demo.DefaultGroupsClaim,
		"LISTEN=" + strings.Join(listen, ","), "OPS_LISTEN=127.0.0.1:" + strconv.Itoa(ops),
		"SHINY_HOST=127.0.0.1", "SHINY_PORT=" + portOf(n.shinyAt), "SHINY_ADMIN_PORT=" + portOf(n.adminAt), "ADMIN_GROUPS=Admin",
		"STATE_DIR=" + filepath.Join(dir, "state"),
	}})
}
