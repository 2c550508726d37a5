// Package loop is an event loop: one goroutine that waits for many
// descriptors at once and calls the handlers of those that are ready.
//
// What waits in a loop costs a row of 32 bytes and whatever its handler
// keeps; there is no goroutine, no stack, no buffer and no timer for it. The
// price is a rule: a handler runs on the loop, so while it runs nothing else
// does. It must not block, wait or compute for long.
//
// # Use
//
//	l, err := loop.New(loop.Options{})
//	l.Post(func() { key, err := l.Watch(fd, handler); … })
//	err = l.Run(ctx) // until ctx ends; closes what it watches
//
// Post, Stats and Run may be called from any goroutine. Everything else is
// the loop's own: call it from handlers, alarms and posted functions only, or
// before Run. So nothing on the loop needs a lock, and the race detector
// passes without exceptions.
//
// # Descriptors
//
// Watch takes over a non-blocking descriptor and registers it once, for
// reading and writing, edge-triggered: a handler hears of a change, not of a
// state. It reads until the kernel has no more (EAGAIN, or fewer bytes than
// asked for), or asks to be called Again; when HangUp comes with Readable it
// reads to the end of the stream, of which nothing will tell again. It writes
// when it wants to and waits for Writable only after EAGAIN. SetHandler changes who is called
// without a system call, Release gives the descriptor away, Close closes it.
//
// # Time
//
// SetDeadline gives a descriptor one deadline. There may be a hundred
// thousand, all move with every request, and each costs a few stores: a wheel
// of 16.8 ms ticks holds them, and a deadline that moves later is moved in the
// wheel only when its old place comes by. An Alarm is exact to the kernel's
// high-resolution timer; there should be few.
//
// # Files
//
//	loop.go           Loop: New, Run, Post, one turn
//	table.go          rows: Watch, Release, Close, SetHandler, Again
//	wheel.go          deadlines
//	alarm.go          moments
//	mailbox.go        what other goroutines want done
//	poller_linux.go   epoll, the wake-up, the timer; how the loop waits
//	socket_linux.go   non-blocking calls that skip Go's scheduler
//	pipes.go          pipes that a loop lends: BorrowPipe, ReturnPipe
//	pipe_linux.go     one pipe: from socket to socket without a copy
//	unsupported.go    other systems: New says so
//
// # Keys
//
// Rows are in a table of the loop's own, dense, and named by a Key; the
// descriptor is in the row. A table indexed by descriptor would be a column
// for every loop: with one loop a core, on 16 cores 512 bytes instead of 32.
package loop
