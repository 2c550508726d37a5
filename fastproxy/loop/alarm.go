package loop

// Alarm calls a function on the loop at a moment, exact to some 50 µs unless
// the loop is busy then. Alarms are looked through one by one in every turn:
// a handful is right, a thousand wants deadlines.
type Alarm struct {
	loop *Loop
	call func(now int64)
	at   int64
}

// NewAlarm returns an alarm that is not set. f is called with the time, ns
// since New.
func (l *Loop) NewAlarm(f func(now int64)) *Alarm {
	a := &Alarm{loop: l, call: f, at: never}
	l.alarms = append(l.alarms, a)
	return a
}

// Set has the alarm go off once at the moment at (ns since New), or at once if
// that is over, in place of any moment before.
func (a *Alarm) Set(at int64) { a.at = min(at, never-1) }

// SetEarlier is Set, unless the alarm goes off before that anyway.
func (a *Alarm) SetEarlier(at int64) { a.at = min(a.at, at) }

// Stop takes the moment away. The alarm may be set again.
func (a *Alarm) Stop() { a.at = never }

func (l *Loop) nextAlarm() int64 {
	at := never
	for _, a := range l.alarms {
		at = min(at, a.at)
	}
	return at
}

func (l *Loop) callAlarms() {
	if len(l.alarms) == 0 {
		return
	}
	now := l.Clock() // the handlers may have taken a while
	for _, a := range l.alarms {
		if a.at <= now {
			a.at = never
			a.call(now)
		}
	}
}
