// Command fastbench measures any proxy or Shiny server: WebSockets held,
// messages, requests, sign-ins, recorded sessions; and compares several.
//
// It ends with 0 when every connection stayed and every answer was right, with
// 1 when not or when something failed, with 2 when it was called in a way that
// cannot work. Figures go to standard output, everything else to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	// kong: maintained, no dependencies of its own, commands are plain structs.
	"github.com/alecthomas/kong"

	"fastproxy/bench"
)

// version is set by the build; else the module's own.
var version = ""

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type commands struct {
	Hold    holdCommand    `cmd:"" help:"Open WebSockets and keep them: what an idle connection costs, and who loses it."`
	Chat    chatCommand    `cmd:"" help:"Messages on a schedule or flat out: latency, and what a message costs."`
	HTTP    httpCommand    `cmd:"" name:"http" help:"Requests on kept connections: latency, and what a request costs."`
	Storm   stormCommand   `cmd:"" help:"Everybody signs in at nine: whole sign-ins, then a WebSocket each."`
	Replay  replayCommand  `cmd:"" help:"Replay a shinyloadtest recording as shinycannon does, with its flags and its output."`
	Record  recordCommand  `cmd:"" help:"Record a session of a browser, as a proxy before the app."`
	Compare compareCommand `cmd:"" help:"Run a plan over several targets in turn and compare them."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// command is what a subcommand does; it gives the exit code.
type command interface {
	run(ctx context.Context) int
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var all commands
	helped := false
	parser := kong.Must(&all, kong.Name("fastbench"), kong.Description("Load tests for Shiny servers and the proxies before them."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Exit(func(int) { helped = true }))
	if os.Getenv("FASTBENCH_LOGIN") == "" {
		os.Unsetenv("FASTBENCH_LOGIN") // empty is not set
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "fastbench: %v (see fastbench --help)\n", err)
		return exitUsage
	}
	// The first Ctrl-C ends the run, which still reports; a second one ends us.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	return parsed.Selected().Target.Addr().Interface().(command).run(ctx)
}

// failed says what went wrong and gives the exit code for it.
func failed(err error) int {
	fmt.Fprintln(os.Stderr, "fastbench:", strings.TrimPrefix(err.Error(), "bench: "))
	var asked *bench.UsageError
	if errors.As(err, &asked) {
		return exitUsage
	}
	return exitFailed
}

type versionCommand struct{}

func (versionCommand) run(context.Context) int {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	fmt.Println("fastbench", v)
	return exitOK
}
