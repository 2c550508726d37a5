package loop

import "fmt"

// Key names a descriptor within its loop, from Watch until Close or Release.
type Key uint32

// keyOwn and above are the loop's own descriptors.
const keyOwn Key = 1<<32 - 2

// Events say what a handler is called for; several may come at once.
type Events uint32

// The first four are epoll's bits.
const (
	Readable Events = 0x1    // bytes, the end of the stream, or somebody to accept
	Writable Events = 0x4    // room again, or connected
	Failed   Events = 0x8    // the descriptor has an error: see SocketError
	HangUp   Events = 0x2010 // the other side closed its half, or all; there may be bytes to read before that
	Expired  Events = 1 << 16
	Stopped  Events = 1 << 17 // the loop ends; what the handler does not Release is closed
)

// Handler is called on the loop when something happens to its descriptor. It
// may be called for nothing (a read answers EAGAIN): events are hints. It must
// not block. It is borrowed until Close, Release or SetHandler.
type Handler interface {
	Handle(key Key, ev Events)
}

// row is what the loop knows of one descriptor: 32 bytes.
type row struct {
	handler    Handler // nil: the row is free
	fd         int32
	due        uint32 // tick of the deadline, or dueNone, dueFired
	next, prev int32  // in the wheel, see wheel.go; next also links free rows
}

// pageRows is how many rows are made at once: 8 KiB. Pages never move, so the
// table grows without copying and costs the same per row at any size.
const pageRows = 256

type table struct {
	pages []*[pageRows]row
	made  int   // rows ever used
	used  int   // rows in use
	free  int32 // first of the free rows; none: -1
	freed []Key // in this turn; free from its end on
}

func (t *table) init() { t.free = -1 }

func (t *table) row(key Key) *row { return &t.pages[key/pageRows][key%pageRows] }

// take returns a free row.
func (t *table) take() (Key, *row) {
	t.used++
	if t.free >= 0 {
		key := Key(t.free)
		r := t.row(key)
		t.free = r.next
		return key, r
	}
	if t.made == len(t.pages)*pageRows {
		t.pages = append(t.pages, new([pageRows]row))
	}
	key := Key(t.made)
	t.made++
	return key, t.row(key)
}

func (t *table) give(key Key) {
	*t.row(key) = row{fd: -1}
	t.used--
	t.freed = append(t.freed, key)
}

// recycle makes the rows freed in this turn available. Not earlier: events of
// this turn may still name them.
func (t *table) recycle() {
	for _, key := range t.freed {
		t.row(key).next = t.free
		t.free = int32(key)
	}
	t.freed = t.freed[:0]
}

// Watch takes over fd, which must be non-blocking, and has h called when
// something happens to it; first for what is the case already. When it fails
// the descriptor is still the caller's.
func (l *Loop) Watch(fd int, h Handler) (Key, error) {
	key, r := l.take()
	*r = row{handler: h, fd: int32(fd)}
	if err := l.poll.add(fd, key); err != nil {
		l.give(key)
		return 0, fmt.Errorf("loop: watch: %w", err)
	}
	return key, nil
}

// FD is the descriptor that key names. It stays the loop's.
func (l *Loop) FD(key Key) int { return int(l.row(key).fd) }

// SetHandler has h called from now on. It makes no system call, and tells h of
// nothing that the handler before it has heard of already.
func (l *Loop) SetHandler(key Key, h Handler) { l.row(key).handler = h }

// Release gives the descriptor to the caller, still open and non-blocking.
func (l *Loop) Release(key Key) (fd int, err error) {
	fd = l.forget(key)
	if err := l.poll.remove(fd); err != nil {
		return fd, fmt.Errorf("loop: release: %w", err)
	}
	return fd, nil
}

// Close closes the descriptor. Events of it that are on their way are lost.
func (l *Loop) Close(key Key) { CloseFD(l.forget(key)) }

func (l *Loop) forget(key Key) (fd int) {
	r := l.row(key)
	fd = int(r.fd)
	l.wheel.unlink(key, r)
	l.give(key)
	return fd
}

type again struct {
	key    Key
	events Events
}

// Again has key's handler called with ev in the next turn, which does not
// wait. A handler that has more to read than is fair to the others asks for
// it: edge-triggered, the kernel would not say so again.
func (l *Loop) Again(key Key, ev Events) { l.agains = append(l.agains, again{key, ev}) }
