package main

import (
	"context"
	"time"

	"fastproxy/bench"
)

type holdCommand struct {
	targetFlags `embed:""`
	loopFlags   `embed:""`
	signInFlags `embed:""`
	outputFlags `embed:""`

	N         int           `default:"1000" help:"Connections."`
	Ramp      bench.Rate    `default:"500/s" help:"How many are opened a second."`
	For       time.Duration `default:"60s" help:"How long they are held once all are open."`
	Ping      bench.Rate    `default:"100/s" help:"Pings a second over all connections together; 0: none."`
	HTTP      bool          `name:"http" help:"Keep-alive connections instead of WebSockets: each asks once when it is opened; a ping is a GET."`
	Churn     bench.Rate    `default:"0" help:"WebSockets a second that die, by goodbye, silence, reset, half-close, and are replaced."`
	Echo      bool          `help:"Ping with a text message that the server says back, not with a Ping frame."`
	Reconnect bool          `help:"Bring back what was lost, as a browser would."`
	Hook      string        `placeholder:"COMMAND" help:"Shell command to run while they are held, such as a restart of the target."`
	HookAfter time.Duration `default:"10s" help:"How far into the hold it is run."`
}

func (c *holdCommand) run(ctx context.Context) int {
	target, err := signedTarget(ctx, &c.targetFlags, &c.signInFlags, &c.loopFlags)
	if err != nil {
		return failed(err)
	}
	return c.play(ctx, "hold", func(ctx context.Context, live *bench.Live) (*bench.Result, error) {
		return bench.Hold(ctx, bench.HoldOptions{Target: target, N: c.N, Ramp: c.Ramp, For: c.For, Ping: c.Ping, Echo: c.Echo, HTTP: c.HTTP, Churn: c.Churn,
			Reconnect: c.Reconnect, Hook: c.Hook, HookAfter: c.HookAfter}, live)
	})
}

type chatCommand struct {
	targetFlags `embed:""`
	loopFlags   `embed:""`
	signInFlags `embed:""`
	outputFlags `embed:""`

	N        int           `default:"1000" help:"Connections."`
	Ramp     bench.Rate    `default:"500/s" help:"How many are opened a second."`
	Rate     bench.Rate    `default:"4000/s" help:"Round trips a second over all connections, or max: as fast as they come back."`
	InFlight int           `placeholder:"N" help:"With --rate max: connections that have a message under way (default: all)."`
	Size     bench.Sizes   `default:"64" help:"Bytes of a message, or a range such as 64..1024."`
	For      time.Duration `default:"30s" help:"How long is measured."`
	Warmup   time.Duration `default:"1s" help:"What is sent before that is not counted."`
	Leave    int           `name:"leave-after" placeholder:"N" help:"Messages after which a connection says goodbye and a new one takes its place: what connecting costs."`
	Listen   bool          `help:"Say nothing, count what the server says of itself: what a gigabyte costs."`
	Ping     bool          `help:"Ping frames (125 bytes at most), for a server that says nothing back."`
}

func (c *chatCommand) run(ctx context.Context) int {
	target, err := signedTarget(ctx, &c.targetFlags, &c.signInFlags, &c.loopFlags)
	if err != nil {
		return failed(err)
	}
	return c.play(ctx, "chat", func(ctx context.Context, live *bench.Live) (*bench.Result, error) {
		return bench.Chat(ctx, bench.ChatOptions{Target: target, N: c.N, Ramp: c.Ramp, Rate: c.Rate, InFlight: c.InFlight, Size: c.Size,
			For: c.For, Warmup: c.Warmup, Ping: c.Ping, LeaveAfter: c.Leave, Listen: c.Listen}, live)
	})
}

type httpCommand struct {
	targetFlags `embed:""`
	loopFlags   `embed:""`
	signInFlags `embed:""`
	outputFlags `embed:""`

	Conns  int           `default:"64" help:"Connections, kept from request to request."`
	Ramp   bench.Rate    `default:"500/s" help:"How many are opened a second."`
	Rate   bench.Rate    `default:"max" help:"Requests a second over all connections, or max: as fast as answers come."`
	For    time.Duration `default:"30s" help:"How long is measured."`
	Warmup time.Duration `default:"1s" help:"What is sent before that is not counted."`
	Method string        `default:"GET" enum:"GET,HEAD" help:"GET or HEAD."`
	Status int           `default:"200" help:"The answer's status, wanted."`
	Size   int64         `default:"-1" help:"Bytes of the answer's body, wanted (default: as the first answer says)."`
}

func (c *httpCommand) run(ctx context.Context) int {
	target, err := signedTarget(ctx, &c.targetFlags, &c.signInFlags, &c.loopFlags)
	if err != nil {
		return failed(err)
	}
	return c.play(ctx, "http", func(ctx context.Context, live *bench.Live) (*bench.Result, error) {
		return bench.HTTP(ctx, bench.HTTPOptions{Target: target, Conns: c.Conns, Ramp: c.Ramp, Rate: c.Rate, For: c.For, Warmup: c.Warmup,
			Method: c.Method, Status: c.Status, Size: c.Size}, live)
	})
}
