package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"fastproxy/bench"
)

type stormCommand struct {
	targetFlags `embed:""`
	signInFlags `embed:""`
	outputFlags `embed:""`

	Logins     int           `default:"100" help:"Visitors."`
	Over       time.Duration `placeholder:"10s" help:"The time in which they all come (default: with a password form as fast as its check allows, else at once)."`
	Socket     string        `placeholder:"PATH" help:"Path of the WebSocket below the app's, or none (default: found out from the page)."`
	For        time.Duration `default:"10s" help:"How long the WebSockets are held once everybody is in."`
	Drops      int           `help:"How often everybody drops and returns."`
	ReturnOver time.Duration `placeholder:"5s" help:"The time in which they return (default: at once)."`
}

func (c *stormCommand) run(ctx context.Context) int {
	target, err := c.target()
	if err != nil {
		return failed(err)
	}
	return c.play(ctx, "storm", func(ctx context.Context, live *bench.Live) (*bench.Result, error) {
		return bench.Storm(ctx, bench.StormOptions{Target: target, SignIn: c.signIn(), Logins: c.Logins, Over: c.Over, Socket: c.Socket,
			For: c.For, Drops: c.Drops, ReturnOver: c.ReturnOver}, live)
	})
}

// replayCommand has shinycannon's arguments and flags, so that people switch
// by changing the command; what shinycannon does not have is below.
type replayCommand struct {
	Recording   string `arg:"" name:"RECORDING" help:"recording.log; its post files lie beside it."`
	targetFlags `embed:""`
	signInFlags `embed:""`
	outputFlags `embed:""`

	Workers               int     `default:"1" help:"Simulated users at once."`
	LoadedDurationMinutes float64 `default:"5" placeholder:"M" help:"Minutes to go on once all workers have started."`
	StartInterval         *int64  `placeholder:"MS" help:"Milliseconds between the starts of workers (default: the recording's length divided by workers)."`
	OutputDir             string  `placeholder:"DIR" help:"Where the CSV files for shinyloadtest go (default: test-logs- and the time)."`
	OverwriteOutput       bool    `help:"Replace an output directory that is there."`
	DebugLog              bool    `help:"Write every message into debug.log there."`
	LogLevel              level   `default:"warn" help:"debug, info, warn or error."`

	Transport string `default:"websocket" enum:"websocket,xhr_streaming,xhr,eventsource" help:"How the messages of a SockJS recording travel: websocket, xhr_streaming, xhr or eventsource."`
	APIKey    string `name:"api-key" env:"SHINYCANNON_CONNECT_API_KEY" placeholder:"KEY" help:"Of Posit Connect, for a recording that needs one; better kept in the variable."`
}

func (c *replayCommand) run(ctx context.Context) int {
	target, err := c.target()
	if err != nil {
		return failed(err)
	}
	interval := time.Duration(-1)
	if c.StartInterval != nil {
		interval = time.Duration(*c.StartInterval) * time.Millisecond
	}
	in := c.signIn()
	if user, ok := os.LookupEnv("SHINYCANNON_USER"); ok && len(in.Logins) == 0 {
		in.Logins = []bench.Login{{User: user, Password: os.Getenv("SHINYCANNON_PASS")}}
	}
	if c.OutputDir == "" {
		c.OutputDir = "test-logs-" + time.Now().Format("2006-01-02T15_04_05")
	}
	return c.play(ctx, "replay", func(ctx context.Context, live *bench.Live) (*bench.Result, error) {
		return bench.Replay(ctx, bench.ReplayOptions{
			Target: target, SignIn: in, Recording: c.Recording, Workers: c.Workers,
			LoadedDuration: time.Duration(c.LoadedDurationMinutes * float64(time.Minute)), StartInterval: interval,
			OutputDir: c.OutputDir, Overwrite: c.OverwriteOutput, DebugLog: c.DebugLog, Args: os.Args[1:], APIKey: c.APIKey,
			Transport: bench.Transport(c.Transport), Log: logger(c.LogLevel),
		}, live)
	})
}

type recordCommand struct {
	appFlags    `embed:""`
	signInFlags `embed:""`

	Listen    string `default:"127.0.0.1:8600" placeholder:"ADDR" help:"Where the browser goes; loopback only."`
	Output    string `default:"recording.log" placeholder:"FILE" help:"The recording; post files are put beside it."`
	Overwrite bool   `help:"Replace a recording that is there."`
	LogLevel  level  `default:"info" help:"debug, info, warn or error."`
}

func (c *recordCommand) run(ctx context.Context) int {
	target, err := c.app()
	if err != nil {
		return failed(err)
	}
	err = bench.Record(ctx, bench.RecordOptions{Target: target, SignIn: c.signIn(), Listen: c.Listen, Output: c.Output, Overwrite: c.Overwrite,
		Ready: func(url string) {
			fmt.Fprintf(os.Stderr, "Open %s in a browser, use the app, close the page; then Ctrl-C here.\n", url)
		},
		Log: logger(c.LogLevel)})
	if err != nil {
		return failed(err)
	}
	fmt.Println(c.Output)
	return exitOK
}

// level is one of slog's four, in capitals or not, as shinycannon takes it.
type level struct{ slog.Level }

func (l *level) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "debug", "info", "warn", "error":
		return l.Level.UnmarshalText(text)
	}
	return fmt.Errorf("found level %q, want debug, info, warn or error", text)
}

// logger writes to standard error what is at least as important as l.
func logger(l level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l.Level}))
}
