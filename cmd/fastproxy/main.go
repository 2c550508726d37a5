// Command fastproxy is the front door of R Shiny servers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	// kong: maintained, no dependencies of its own, commands are plain structs.
	"github.com/alecthomas/kong"
	"go.uber.org/zap"
	"golang.org/x/term" // the Go team's own; knows a terminal on every system

	"fastproxy/fastproxy"
	"fastproxy/fastproxy/audit"
)

// version is set by the build; else the module's own.
var version = ""

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2 // flags or settings
)

var commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the proxy."`
	Demo    demoCommand    `cmd:"" help:"Run everything in one process, nothing to set up: a pocket Auth0, a pocket Shiny, and the proxy in front."`
	Check   checkCommand   `cmd:"" help:"Check the settings and print what is in force."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	parser := kong.Must(&commands, kong.Name("fastproxy"), kong.Description("The front door of R Shiny servers."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	ctx, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "fastproxy: %v (see fastproxy --help)\n", err)
		os.Exit(exitUsage)
	}
	os.Exit(ctx.Selected().Target.Addr().Interface().(interface{ run() int }).run())
}

// settingsFlags say where settings come from, for serve and check.
type settingsFlags struct {
	Config string `placeholder:"FILE" help:"YAML settings (default: fastproxy.yml if there is one)."`
	Env    string `placeholder:"FILE" help:"Variables in dotenv form (default: .env if there is one). The real environment wins."`
	Listen string `placeholder:"ADDR" help:"Where to listen, whatever the settings say, such as 127.0.0.1:3001."`
}

func (f settingsFlags) load() (*fastproxy.Settings, bool) {
	set, err := fastproxy.LoadSettings(fastproxy.SourceFlags{Config: f.Config, Env: f.Env, Listen: f.Listen, Environ: os.Environ()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return nil, false
	}
	return set, true
}

type serveCommand struct {
	settingsFlags `embed:""`
}

func (c *serveCommand) run() int {
	set, ok := c.load()
	if !ok {
		return exitUsage
	}
	return serve(set)
}

// serve runs the proxy until SIGTERM or SIGINT, a second of which ends it at
// once; SIGHUP opens the log file anew.
func serve(set *fastproxy.Settings) int {
	syscall.Umask(0o077) // what it writes is nobody else's to read
	// A log's reader that goes away costs records, not the people who are here.
	signal.Ignore(syscall.SIGPIPE)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	log, err := audit.Open(set.Log.File, set.Log.Level)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fastproxy:", err)
		return exitUsage
	}
	defer closeLog(log)
	p, err := fastproxy.New(set, log)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fastproxy:", err)
		return exitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	onHangup := func() { reopen(log) }
	if term.IsTerminal(int(os.Stdout.Fd())) {
		p.Greet(os.Stdout)
		onHangup = stop // its terminal was closed
	} else {
		p.LogStart(buildVersion())
	}
	go awaitHangup(ctx, hangup, onHangup)
	if err := p.Run(ctx); err != nil {
		log.Logger().Error("stopped", zap.NamedError("error.message", err))
		return exitFailed
	}
	return 0
}

func awaitHangup(ctx context.Context, hangup <-chan os.Signal, do func()) {
	for {
		select {
		case <-hangup:
			do()
		case <-ctx.Done():
			return
		}
	}
}

func reopen(log *audit.Log) {
	if err := log.Reopen(); err != nil {
		log.Logger().Error("cannot open the log file anew; the old one stays", zap.NamedError("error.message", err))
	}
}

// closeLog waits for the last records, but not for ever: the writer may be
// stuck.
func closeLog(log *audit.Log) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := log.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fastproxy:", err)
	}
}

type checkCommand struct {
	settingsFlags `embed:""`
	Online        bool `help:"Also ask the issuer and Shiny, and print the nginx block and the dashboard URLs that fit."`
}

func (c *checkCommand) run() int {
	set, ok := c.load()
	if !ok {
		return exitUsage
	}
	set.Report(os.Stdout)
	if !c.Online {
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := fastproxy.CheckOnline(ctx, set, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	return 0
}

type versionCommand struct{}

func (versionCommand) run() int {
	fmt.Println("fastproxy", buildVersion())
	return 0
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
