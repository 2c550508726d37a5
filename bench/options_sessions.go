package bench

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Login is a name and its password. However it is printed, the password is
// not.
type Login struct {
	User     string
	Password string
}

// UnmarshalText reads "user:password"; the password may hold further colons.
func (l *Login) UnmarshalText(text []byte) error {
	user, password, ok := strings.Cut(string(text), ":")
	if !ok || user == "" {
		return fmt.Errorf("found a login without a user or a colon, want user:password")
	}
	*l = Login{user, password}
	return nil
}

// Format keeps the password out of every formatted value.
func (l Login) Format(f fmt.State, _ rune) { fmt.Fprint(f, l.User+":…") }

// MarshalText keeps it out of JSON.
func (l Login) MarshalText() ([]byte, error) { return []byte(l.User + ":…"), nil }

// SignIn is how a visitor comes in, beyond what Target.Header says. The zero
// SignIn asks nobody.
type SignIn struct {
	// Logins are used by turns. Without OIDC they go into the password form
	// of fastproxy, Shiny Server Pro or Posit Connect.
	Logins []Login
	// OIDC follows the redirects to an identity provider and fills in the
	// login form there (with the pocket Auth0 of the demo it chooses the
	// person of that name).
	OIDC bool
	// AllowHosts are the hosts ("tenant.eu.auth0.com", "host:port") that a
	// sign-in may be redirected to, beside the target's own and loopback.
	AllowHosts []string
}

// Transport is how the messages of a SockJS recording travel.
type Transport string

const (
	WebSocket    Transport = "websocket" // and ""
	XHRStreaming Transport = "xhr_streaming"
	XHR          Transport = "xhr"
	EventSource  Transport = "eventsource"
)

// ReplayOptions are Replay's; those that shinycannon has, too, mean the same.
type ReplayOptions struct {
	// Target.URL is the app's: http:// or https://. Timeout bounds connecting
	// and, only when it is given, each answer and message; shinycannon waits
	// for those without limit.
	Target
	SignIn SignIn

	Recording      string        // path of recording.log; its post files lie beside it
	Workers        int           // default 1
	LoadedDuration time.Duration // kept up once all workers have started; shinycannon's default is 5 min
	StartInterval  time.Duration // between the starts of workers; negative: the recording's length / Workers
	OutputDir      string        // "": nothing is written
	Overwrite      bool          // replaces an output directory that is there already
	DebugLog       bool          // writes every event and message into OutputDir/debug.log
	Args           []string      // the command line, for the comment lines of the output; header values and passwords are left out of it
	APIKey         string        // of Posit Connect, for a recording that needs one
	Transport      Transport     // default WebSocket

	// Log gets what a reader of a terminal should see while it runs; nil: nobody.
	Log *slog.Logger
}

// StormOptions are Storm's.
type StormOptions struct {
	// Target.URL is the app's: http:// or https://.
	Target
	SignIn SignIn

	Logins int // visitors
	// Over is the time in which they all come. 0: with a password form as fast
	// as one of its scrypt checks after the other allows, measured first; else
	// all at once.
	Over time.Duration
	// Socket is the path of the WebSocket below the app's; "": found out from
	// the page ("websocket/" or SockJS); "none": sign-ins only.
	Socket string
	// For is how long the sockets are held once everybody is in.
	For time.Duration
	// Drops is how often everybody drops at once and returns at once, with the
	// session they have. ReturnOver spreads the return; 0: all at once.
	Drops      int
	ReturnOver time.Duration
}

// RecordOptions are Record's.
type RecordOptions struct {
	// Target.URL is the app's: http:// or https://. Header goes with every
	// request.
	Target
	SignIn SignIn // the first login is used

	Listen    string // default 127.0.0.1:8600; must be loopback: whoever reaches it is signed in
	Output    string // the recording; post files are put beside it
	Overwrite bool   // replaces a recording that is there already
	// Ready is called once with the address to open in a browser.
	Ready func(url string)
	Log   *slog.Logger // nil: nobody
}
