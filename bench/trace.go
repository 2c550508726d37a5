package bench

// SessionTrace is what one replayed session did and when, for the waterfall of
// a report. Moments are seconds.
type SessionTrace struct {
	Session   int          `json:"session"`
	Worker    int          `json:"worker"`
	Iteration int          `json:"iteration"`
	At        float64      `json:"at"` // its beginning, since Result.Started
	Failed    bool         `json:"failed,omitempty"`
	Events    []TraceEvent `json:"events"` // in the order of the recording, sleeps left out
}

// TraceEvent is one line of the recording, played.
type TraceEvent struct {
	Line  int     `json:"line"`  // of the recording, from 1
	Type  string  `json:"type"`  // REQ_GET, WS_RECV, …
	Begin float64 `json:"begin"` // since the session's beginning
	End   float64 `json:"end"`
}

// Seconds is how long the session took, up to the end of its last event.
func (t *SessionTrace) Seconds() float64 {
	var last float64
	for _, e := range t.Events {
		last = max(last, e.End)
	}
	return last
}
