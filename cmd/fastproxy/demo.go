package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	auth0At, shinyAt, err := neighbourListeners()
	if err != nil {
		return demoFailed(err)
	}
	port, err := freePort(c.Port)
	if err != nil {
		return demoFailed(err)
	}
	origin := "http://localhost:" + strconv.Itoa(port)
	auth0, err := demo.NewAuth0(demo.Auth0Options{
		Issuer: "http://" + auth0At.Addr().String() + "/", ClientID: "demo", ClientSecret: "demo-client-secret",
		Callbacks: []string{origin + "/callback"}, LogoutURLs: []string{origin + "/callback"},
	})
	if err != nil {
		return demoFailed(err)
	}
	shiny := demo.NewShiny(demo.ShinyOptions{Links: []demo.Link{
		{Href: "/.fastproxy/session", Label: "Your session"}, {Href: "/admin/", Label: "Admin"}, {Href: "/logout", Label: "Sign out"},
	}})
	set, err := demoSettings(dir, origin, port, auth0.Issuer(), shinyAt.Addr().(*net.TCPAddr).Port)
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
	var neighbours sync.WaitGroup
	neighbours.Go(func() {
		if err := demo.Run(ctx, auth0At, auth0, shinyAt, shiny); err != nil {
			fmt.Fprintln(os.Stderr, "fastproxy:", err)
		}
		stop()
	})
	err = p.Run(ctx)
	neighbours.Wait()
	if err != nil {
		return demoFailed(err)
	}
	return 0
}

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

// neighbourListeners opens the pocket servers' ports. They are on 127.0.0.1,
// the proxy is on localhost: cookies know no ports, only hosts.
func neighbourListeners() (auth0, shiny net.Listener, err error) {
	if auth0, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	if shiny, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		auth0.Close()
	}
	return auth0, shiny, err
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
func demoSettings(dir, origin string, port int, issuer string, shinyPort int) (*fastproxy.Settings, error) {
	shiny := strconv.Itoa(shinyPort)
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
		"AUTH0_ISSUER_URL=" + issuer, "AUTH0_CLIENT_ID=demo", "AUTH0_CLIENT_SECRET=demo-client-secret",
		"AUTH0_CALLBACK_URL=" + origin + "/callback", "AUTH0_GROUPS_CLAIM=" + demo.DefaultGroupsClaim,
		"LISTEN=" + strings.Join(listen, ","), "OPS_LISTEN=127.0.0.1:" + strconv.Itoa(ops),
		"SHINY_HOST=127.0.0.1", "SHINY_PORT=" + shiny, "SHINY_ADMIN_PORT=" + shiny, "ADMIN_GROUPS=Admin",
		"STATE_DIR=" + filepath.Join(dir, "state"),
	}})
}
