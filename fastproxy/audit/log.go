package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	ringSize   = 8192
	eventLimit = time.Second // how long an Event waits for room in the ring
)

// Log takes records from any goroutine and writes them from one. The ring
// between them is bounded: when the disk is slower than the visitors, access
// records are counted and left out; events wait up to a second for room.
type Log struct {
	core   zapcore.Core
	logger *zap.Logger
	out    *output
	ring   chan any // *Access or *Event

	dropped atomic.Uint64
	closing sync.RWMutex // guards closed against the ring's close
	closed  bool
	done    chan struct{}
}

// Open returns a log at the given level ("debug", "info", "warn", "error";
// access records and events are written at every level but access records only
// up to "info") that writes to file, or to stdout when file is empty. Its
// goroutine runs until Close.
func Open(file, level string) (*Log, error) {
	lv, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("audit: log level: found %q, want debug, info, warn or error", level)
	}
	out := &output{path: file, w: os.Stdout}
	if file != "" {
		if err := out.Reopen(); err != nil {
			return nil, fmt.Errorf("audit: open log: %w", err)
		}
	}
	return start(out, lv), nil
}

// New returns a log that writes to w; for tests and for programs that embed
// the proxy.
func New(w io.Writer, level zapcore.Level) *Log {
	return start(&output{w: w}, level)
}

func start(out *output, level zapcore.Level) *Log {
	encoder := zapcore.NewJSONEncoder(encoderConfig())
	l := &Log{
		core:   zapcore.NewCore(encoder, out, level),
		logger: zap.New(zapcore.NewCore(encoder, atOnce{out}, level)),
		out:    out,
		ring:   make(chan any, ringSize),
		done:   make(chan struct{}),
	}
	go l.drain()
	return l
}

// Logger returns a zap logger for what is no record: starts, failures, advice.
// It writes at once.
func (l *Log) Logger() *zap.Logger { return l.logger }

// Access hands over one record; it never blocks. The log owns a from now on.
func (l *Log) Access(a *Access) {
	if !l.core.Enabled(zapcore.InfoLevel) {
		return
	}
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return
	}
	select {
	case l.ring <- a:
	default:
		l.dropped.Add(1)
	}
}

// Event hands over one event; it may block for a second when the ring is
// full, and writes itself then. The log owns e from now on.
func (l *Log) Event(e *Event) {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return
	}
	wait := time.NewTimer(eventLimit)
	defer wait.Stop()
	select {
	case l.ring <- e:
	case <-wait.C:
		l.write(e)
	}
}

// Dropped returns how many access records found no room.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Reopen opens the log file anew, for log rotation (SIGHUP).
func (l *Log) Reopen() error { return l.out.Reopen() }

// Close writes what was handed over before it, and ends the goroutine.
func (l *Log) Close(ctx context.Context) error {
	l.closing.Lock()
	if !l.closed {
		l.closed = true
		close(l.ring)
	}
	l.closing.Unlock()
	select {
	case <-l.done:
		return l.out.Sync()
	case <-ctx.Done():
		return errors.Join(ctx.Err(), l.out.Sync())
	}
}

// drain writes records as they come, and flushes whenever none waits: one
// system call for many lines under load, none late without.
func (l *Log) drain() {
	defer close(l.done)
	told := uint64(0)
	for r := range l.ring {
		l.write(r)
		if len(l.ring) > 0 {
			continue
		}
		if n := l.dropped.Load(); n > told {
			l.logger.Warn("access records were left out: the log is slower than the requests", zap.Uint64("fastproxy.dropped", n-told))
			told = n
		}
		l.out.Sync()
	}
}

func (l *Log) write(r any) {
	switch r := r.(type) {
	case *Access:
		message := r.Method + " " + r.Path
		l.core.Write(zapcore.Entry{Time: r.Start.Add(r.Duration), Level: zapcore.InfoLevel, Message: message}, []zap.Field{zap.Inline(r)})
	case *Event:
		l.core.Write(zapcore.Entry{Time: time.Now(), Level: eventLevel(r.Action), Message: string(r.Action)}, []zap.Field{zap.Inline(r)})
	}
}

func eventLevel(a Action) zapcore.Level {
	if a == LoginFailed || a == Denied {
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

// output is a buffered file that can be opened anew.
type output struct {
	path string

	mu   sync.Mutex
	w    io.Writer
	file *os.File // ours to close; nil for stdout and tests
	buf  *bufio.Writer
}

// Write implements zapcore.WriteSyncer; lines reach the file with Sync.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf == nil {
		o.buf = bufio.NewWriterSize(o.w, 64<<10)
	}
	return o.buf.Write(b)
}

// atOnce flushes after every line.
type atOnce struct{ *output }

func (o atOnce) Write(b []byte) (int, error) {
	n, err := o.output.Write(b)
	if err == nil {
		err = o.Sync()
	}
	return n, err
}

// Sync implements zapcore.WriteSyncer. A failed write is not tried again: the
// next lines may still find room.
func (o *output) Sync() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf == nil {
		return nil
	}
	err := o.buf.Flush()
	if err != nil {
		o.buf.Reset(o.w)
	}
	return err
}

// Reopen opens path anew (mode 0640, appending); without a path it does nothing.
func (o *output) Reopen() error {
	if o.path == "" {
		return nil
	}
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf != nil {
		o.buf.Flush()
		o.buf = nil
	}
	if o.file != nil {
		o.file.Close()
	}
	o.file, o.w = f, f
	return nil
}
