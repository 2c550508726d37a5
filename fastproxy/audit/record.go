// Package audit writes what happened, as one JSON object a line, without ever
// making a request wait for the disk. Names are the flat dotted ones on which
// ECS 9 and OpenTelemetry's semantic conventions agree, so that a shipper
// needs no mapping; what neither has is under "fastproxy.".
//
// No record holds a query string, a cookie, a token or a password: the types
// have no field for them.
package audit

import (
	"net/netip"
	"time"

	"go.uber.org/zap" // structured logging; prescribed
	"go.uber.org/zap/zapcore"
)

// Action is what an Event tells of.
type Action string

const (
	Login       Action = "login"
	LoginFailed Action = "login_failed"
	Denied      Action = "denied" // somebody known, where they may not go
	Logout      Action = "logout"
	SessionEnd  Action = "session_ended" // by something else than the visitor's logout
)

// Event is something about somebody's access that must not be lost.
type Event struct {
	Action    Action
	RequestID string
	Client    netip.Addr
	User      string
	Issuer    string
	Login     string // "oidc" or "passwd"
	Path      string
	Reason    string
	Streams   int // live streams that were closed with a session

	at time.Time // when the log was told
}

// level makes what an operator should look at stand out.
func (v *Event) level() zapcore.Level {
	if v.Action == LoginFailed || v.Action == Denied {
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (v *Event) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("event.dataset", "fastproxy.audit")
	e.AddString("event.action", string(v.Action))
	e.AddString("event.outcome", outcome(v.Action != LoginFailed && v.Action != Denied))
	text(e, "http.request.id", v.RequestID)
	address(e, v.Client)
	text(e, "user.id", v.User)
	text(e, "fastproxy.issuer", v.Issuer)
	text(e, "fastproxy.login", v.Login)
	text(e, "url.path", v.Path)
	text(e, "event.reason", v.Reason)
	if v.Streams > 0 {
		e.AddInt("fastproxy.streams_closed", v.Streams)
	}
	return nil
}

func text(e zapcore.ObjectEncoder, key, value string) {
	if value != "" {
		e.AddString(key, value)
	}
}

func address(e zapcore.ObjectEncoder, a netip.Addr) {
	if a.IsValid() {
		e.AddString("client.address", a.String())
	}
}

func outcome(ok bool) string {
	if ok {
		return "success"
	}
	return "failure"
}

// encoderConfig names the three fields of every line as ECS does.
func encoderConfig() zapcore.EncoderConfig {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey, c.LevelKey, c.MessageKey = "@timestamp", "log.level", "message"
	c.NameKey, c.CallerKey, c.StacktraceKey = "log.logger", zapcore.OmitKey, "error.stack_trace"
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return c
}
