package bench

import (
	"maps"
	"slices"
	"strings"
)

// figure is one derived figure of a Result as people read it.
type figure struct {
	Key   string // in Result.Derived
	Label string
	Write func(float64) string
	// Cost says that less is better; a comparison draws and compares it so.
	Cost bool
}

// figures are the derived figures that have a name of their own, the most
// telling first. Any other is shown under its key.
var figures = []figure{
	{"bytes_per_connection", "memory of the target per connection", size, true},
	{"bytes_per_connection_at_end", "memory of the target per connection, at the end", size, true},
	{"cpu_us_per_message", "CPU of the target per message", micros, true},
	{"cpu_us_per_request", "CPU of the target per request", micros, true},
	{"cpu_us_per_visit", "CPU of the target per connection that came, talked and left", micros, true},
	{"cpu_seconds_per_gigabyte", "CPU of the target per gigabyte", seconds, true},
	{"cpu_seconds_per_1000_connections", "CPU of the target per 1,000 connections", seconds, true},
	{"cpu_us_per_login", "CPU of the target per sign-in", micros, true},
	{"connects_per_second", "connections opened per second", digits, false},
	{"round_trips_per_second", "round trips per second", digits, false},
	{"messages_per_second", "messages per second", digits, false},
	{"visits_per_second", "connections that came, talked and left per second", digits, false},
	{"gigabytes_per_second", "gigabytes per second", digits, false},
	{"requests_per_second", "requests per second", digits, false},
	{"logins_per_second", "sign-ins per second", digits, false},
	{"seconds_until_last_came_back", "until the last came back", seconds, true},
	{"sessions_per_minute", "sessions per minute", digits, false},
}

// figureOf finds a derived figure; one without a name of its own is written
// under its key.
func figureOf(key string) figure {
	for _, f := range figures {
		if f.Key == key {
			return f
		}
	}
	f := figure{Key: key, Label: strings.ReplaceAll(key, "_", " "), Write: digits}
	f.Cost = strings.HasPrefix(key, "cpu_") || strings.HasPrefix(key, "bytes_per_") || strings.HasPrefix(key, "p")
	return f
}

// derived lists which derived figures a result has, named ones first.
func (r *Result) derived() []figure {
	var list []figure
	for _, f := range figures {
		if _, ok := r.Derived[f.Key]; ok {
			list = append(list, f)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Derived)) {
		if !slices.ContainsFunc(figures, func(f figure) bool { return f.Key == key }) {
			list = append(list, figureOf(key))
		}
	}
	return list
}

// timed lists what was timed, in the order in which it happens.
func (r *Result) timed() []string {
	order := []string{"login", "page", "handshake", "reconnect", "request", "upload", "answer", "echo", "ping", "session"}
	place := func(kind string) int {
		if i := slices.Index(order, kind); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedFunc(maps.Keys(r.Latency), func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}
