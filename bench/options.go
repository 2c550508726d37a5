package bench

import (
	"crypto/x509"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Target is where a scenario sends its load and which processes are watched.
type Target struct {
	// URL is ws://, wss://, http:// or https://. ${ROBUST_ID} and ${SOCKJSID} in its path are
	// made anew for each connection.
	URL string
	// Header goes with every request and upgrade: a cookie, a bearer token.
	// Host in it replaces the URL's.
	Header http.Header
	// Sources are the local addresses to connect from, such as 127.0.0.2;
	// empty: the system's choice, and for a loopback target as many of
	// 127.0.0.x as the ports ask for.
	Sources []string
	// Roots are the authorities that certificates are checked against; nil:
	// the system's.
	Roots   *x509.CertPool
	Timeout time.Duration // for connect, handshake and each answer; default 30 s
	// Loops is how many event loops share the connections of hold, chat and
	// http; default 1, which is enough until a report says that the client was
	// the bottleneck.
	Loops int

	Pids     []int    // processes whose memory, CPU and descriptors are watched
	PidFiles []string // files that hold one, read again when that process is gone
}

// HoldOptions are Hold's.
type HoldOptions struct {
	Target
	N    int           // connections
	Ramp Rate          // of opening them; default 500/s
	For  time.Duration // how long they are held once all are open; default 60 s
	// Ping is how many pings a second go out over all connections together, in
	// turn; 0: none. Default of the command: 100/s.
	Ping Rate
	// Echo makes a ping a text message that the server says back, rather than
	// a Ping frame, which every WebSocket server answers.
	Echo bool
	// HTTP keeps keep-alive connections instead of WebSockets: each asks for
	// the URL once when it is opened, and a ping is a GET.
	HTTP bool
	// Churn is how many WebSockets a second are ended, in every way in which
	// connections end, while others take their place and say something.
	Churn Rate
	// Reconnect brings back what was lost, as a browser would: after 0, 1, 2,
	// 3, 5, 5, … s.
	Reconnect bool
	// Hook is a shell command that is run HookAfter into the hold, such as
	// one that restarts the target.
	Hook      string
	HookAfter time.Duration

	settle time.Duration // the target is left alone for that long before its memory is read; default 1 s
}

// ChatOptions are Chat's.
type ChatOptions struct {
	Target
	N        int // connections
	Ramp     Rate
	Rate     Rate          // round trips a second over all connections; Max: as fast as they come back
	InFlight int           // with Max: connections that have a message under way; default all
	Size     Sizes         // of a message's payload
	For      time.Duration // default 30 s
	Warmup   time.Duration // sent but not measured; default 1 s
	Ping     bool          // Ping frames (125 B at most) instead of text messages that the server says back
	// LeaveAfter is after how many messages a connection says goodbye and
	// another takes its place; 0: never.
	LeaveAfter int
	// Listen says nothing: the server talks, and what it says is counted.
	Listen bool
}

// HTTPOptions are HTTP's.
type HTTPOptions struct {
	Target
	Conns  int
	Ramp   Rate
	Rate   Rate // requests a second over all connections; Max: as fast as answers come
	For    time.Duration
	Warmup time.Duration
	Method string // GET (default) or HEAD
	Status int    // wanted; default 200
	Size   int64  // of the body, wanted; negative: the first answer's, if it names one
}

// Rate is how often something happens, per second.
type Rate float64

// Max is "as fast as it goes".
var Max = Rate(math.Inf(1))

// UnmarshalText reads "500/s", "30/m", "500" or "max".
func (r *Rate) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "max" {
		*r = Max
		return nil
	}
	number, unit, _ := strings.Cut(s, "/")
	per := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || per == 0 || f < 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return fmt.Errorf("found rate %q, want one such as 500/s, 30/m or max", s)
	}
	*r = Rate(f / per)
	return nil
}

func (r Rate) String() string {
	if r == Max {
		return "max"
	}
	return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s"
}

// Sizes is a range of sizes in bytes, both ends included.
type Sizes struct{ Min, Max int }

// UnmarshalText reads "64" or "64..1024".
func (z *Sizes) UnmarshalText(text []byte) error {
	low, high, isRange := strings.Cut(string(text), "..")
	if !isRange {
		high = low
	}
	from, err1 := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || from < 0 || to < from {
		return fmt.Errorf("found size %q, want one such as 64 or 64..1024", text)
	}
	*z = Sizes{from, to}
	return nil
}

func (z Sizes) String() string {
	if z.Min == z.Max {
		return strconv.Itoa(z.Min)
	}
	return strconv.Itoa(z.Min) + ".." + strconv.Itoa(z.Max)
}

// UsageError is a run that cannot begin as it was asked for: an impossible
// option, or a limit of this machine. It decides exit code 2.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usage(format string, args ...any) error {
	return &UsageError{Text: "bench: " + fmt.Sprintf(format, args...)}
}
