package session

import "time"

// Store keeps the Lives of sessions. It is safe for use by many goroutines.
//
// Nothing ends but through End; nothing that has ended comes back, also not
// with another process on the same state.
type Store interface {
	// Live returns what is true of s now; never nil. A session that was never
	// seen here begins at its last known activity, else when it was issued.
	// One that does not hold now is ended for good.
	// It does not touch the disk.
	Live(s *Session) *Live

	// Peek returns the Live of a session that was seen here, or nil.
	Peek(id ID) *Live

	// Each calls f with every Live that is kept and not ended. f may call any
	// method.
	Each(f func(*Live))

	// End ends sessions, known here or not, and closes the streams bound to
	// them: all of that at once, whatever the disk does. When it returns nil,
	// the endings are on disk. One call for many sessions costs one write. It
	// returns how many streams it closed, also with an error.
	End(endings ...Ending) (streams int, err error)

	// Close writes what is known and releases the state. Lives stay readable.
	Close() error
}

// Ending is the end of one session.
type Ending struct {
	ID      ID
	Expires time.Time // the session's, until which the ending is remembered; zero if not known
	Why     Why
}
