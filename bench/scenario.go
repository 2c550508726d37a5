package bench

import (
	"cmp"
	"context"
	"strings"
)

// scenarioKind is how a plan runs a scenario.
type scenarioKind struct {
	measure string   // the derived figure that tells most
	omit    []string // what a table can do without
	run     func(ctx context.Context, s *PlanScenario, t Target, live *Live) (*Result, error)
}

var scenarioKinds = map[string]scenarioKind{
	"hold": {"bytes_per_connection", []string{"bytes_per_connection_at_end", "messages_per_second"}, runHold},
	"chat": {"cpu_us_per_message", []string{"connects_per_second", "messages_per_second", "handshake"}, runChat},
	"http": {"cpu_us_per_request", []string{"connects_per_second", "handshake"}, runHTTP},
}

func runHold(ctx context.Context, s *PlanScenario, t Target, live *Live) (*Result, error) {
	o := HoldOptions{Target: t, N: s.N, Ramp: s.Ramp, For: s.For, Ping: 100, Echo: s.Echo, HTTP: s.HTTP, Churn: s.Churn}
	if s.Ping != nil {
		o.Ping = *s.Ping
	}
	return Hold(ctx, o, live)
}

func runChat(ctx context.Context, s *PlanScenario, t Target, live *Live) (*Result, error) {
	o := ChatOptions{Target: t, N: s.N, Ramp: s.Ramp, Rate: s.Rate, InFlight: s.InFlight, Size: cmp.Or(s.Size, Sizes{64, 64}), For: s.For, Warmup: s.Warmup, Ping: s.PingFrames, LeaveAfter: s.Leave, Listen: s.Listen}
	return Chat(ctx, o, live)
}

func runHTTP(ctx context.Context, s *PlanScenario, t Target, live *Live) (*Result, error) {
	o := HTTPOptions{Target: t, Conns: s.Conns, Ramp: s.Ramp, Rate: s.Rate, For: s.For, Warmup: s.Warmup, Method: s.Method, Status: s.Status, Size: -1}
	if s.Body != nil {
		o.Size = *s.Body
	}
	return HTTP(ctx, o, live)
}

// address is a target's URL with the scenario's path behind it and the scheme
// that the scenario wants. Nothing is escaped anew: a path may hold ${SOCKJSID}.
func (s *PlanScenario) address(target string) string {
	if s.Path != "" {
		target = strings.TrimSuffix(target, "/") + "/" + strings.TrimPrefix(s.Path, "/")
	}
	scheme, rest, _ := strings.Cut(target, "://")
	if s.Kind == "http" || s.HTTP {
		scheme = strings.Replace(scheme, "ws", "http", 1)
	} else {
		scheme = strings.Replace(scheme, "http", "ws", 1)
	}
	return scheme + "://" + rest
}
