package audit

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

const (
	recordsRoom = 8192    // access records and lines of Logger that may wait
	eventsRoom  = 1 << 16 // events that may wait: 20 MB, the sign-ins of a working day
	flushEvery  = 1024    // records, while more wait
)

// Log takes records from any goroutine and writes them from one of its own, so
// that a slow or stuck writer makes nobody wait. What waits is bounded: access
// records and lines of Logger that find no room are left out and counted;
// events have room of their own, which lasts for an hour of a stuck disk.
type Log struct {
	level   zapcore.Level
	encoder zapcore.Encoder
	logger  *zap.Logger
	out     *output
	records chan any // *Access, or *buffer.Buffer with an encoded line
	batches chan *Batch
	queued  atomic.Int64 // bytes in batches
	events  chan *Event

	lost       atomic.Uint64 // access records and lines, of Logger too
	lostEvents atomic.Uint64

	closing sync.RWMutex // guards closed, and the channels against being closed
	closed  bool
	done    chan struct{}
}

// Open returns a log at the given level ("debug", "info", "warn", "error";
// events are written at every level, access records at "debug" and "info")
// that writes to file, or to stdout when file is empty. Its goroutine runs
// until Close.
func Open(file, level string) (*Log, error) {
	lv, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("audit: log level: found %q, want debug, info, warn or error", level)
	}
	out := &output{path: file, w: os.Stdout}
	if err := out.reopen(); err != nil {
		return nil, fmt.Errorf("audit: open log: %w", err)
	}
	return start(out, lv), nil
}

// New returns a log that writes to w; for tests and for programs that embed
// the proxy.
func New(w io.Writer, level zapcore.Level) *Log {
	return start(&output{w: w}, level)
}

func start(out *output, level zapcore.Level) *Log {
	l := &Log{
		level:   level,
		encoder: zapcore.NewJSONEncoder(encoderConfig()),
		out:     out,
		records: make(chan any, recordsRoom),
		batches: make(chan *Batch, batchesRoom),
		events:  make(chan *Event, eventsRoom),
		done:    make(chan struct{}),
	}
	l.logger = zap.New(&lines{level, l.encoder, l})
	go l.drain()
	return l
}

// Logger returns a zap logger for what is no record: starts, failures, advice.
// Its lines take the same road as records, and never block either.
func (l *Log) Logger() *zap.Logger { return l.logger }

// Access hands over one record. It never blocks. The log owns a from now on.
func (l *Log) Access(a *Access) {
	if l.level > zapcore.InfoLevel || !l.enqueue(a) {
		a.recycle()
	}
}

// enqueue reports whether there was room.
func (l *Log) enqueue(r any) bool {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return false
	}
	select {
	case l.records <- r:
		return true
	default:
		l.lost.Add(1)
		return false
	}
}

// Event hands over one event. It never blocks. The log owns e from now on.
func (l *Log) Event(e *Event) {
	e.at = time.Now()
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return
	}
	select {
	case l.events <- e:
	default:
		l.lostEvents.Add(1)
	}
}

// Lost returns how many access records (and lines of Logger), and how many
// events, were not written: they found no room, or the write failed, in which
// case it is not known what they were and all count as records.
func (l *Log) Lost() (records, events uint64) { return l.lost.Load(), l.lostEvents.Load() }

// Reopen opens the log file anew, for log rotation (SIGHUP). On error the old
// one stays. Without a file it does nothing.
func (l *Log) Reopen() error { return l.out.reopen() }

// Close writes what was handed over before it, ends the goroutine and closes
// the file. When ctx ends sooner, the writer is stuck, and the rest is lost.
func (l *Log) Close(ctx context.Context) error {
	l.closing.Lock()
	if !l.closed {
		l.closed = true
		close(l.records)
		close(l.batches)
		close(l.events)
	}
	l.closing.Unlock()
	select {
	case <-l.done:
		return l.out.close()
	case <-ctx.Done():
		return fmt.Errorf("audit: close log: %d records are not written: %w", len(l.records)+len(l.batches)+len(l.events), ctx.Err())
	}
}

// drain writes records as they come, and flushes whenever none waits: one
// system call for many lines under load, none late without.
func (l *Log) drain() {
	defer close(l.done)
	var told [2]uint64
	var line []byte
	n := 0
	records, batches, events := l.records, l.batches, l.events
	for records != nil || batches != nil || events != nil {
		select {
		case r, open := <-records:
			if !open {
				records = nil
				continue
			}
			switch r := r.(type) {
			case *buffer.Buffer:
				l.out.add(r.Bytes())
				r.Free()
			case *Access:
				line = r.appendLine(line[:0])
				l.out.add(line)
				r.recycle()
			}
		case t, open := <-batches:
			if !open {
				batches = nil
				continue
			}
			l.queued.Add(int64(-len(t.b)))
			l.out.add(t.b)
			n += t.n - 1
			t.recycle()
		case v, open := <-events:
			if !open {
				events = nil
				continue
			}
			l.write(zapcore.Entry{Time: v.at, Level: v.level(), Message: string(v.Action)}, zap.Inline(v))
		}
		if n++; n >= flushEvery || len(records)+len(batches)+len(events) == 0 {
			n = 0
			l.tellLost(&told)
			l.lost.Add(l.out.flush())
		}
	}
	l.tellLost(&told)
	l.lost.Add(l.out.flush())
}

// write encodes one line; for drain's goroutine.
func (l *Log) write(e zapcore.Entry, fields ...zapcore.Field) {
	line, err := l.encoder.EncodeEntry(e, fields)
	if err != nil {
		l.lost.Add(1)
		return
	}
	l.out.add(line.Bytes())
	line.Free()
}

// tellLost says in the log itself what is missing from it since told.
func (l *Log) tellLost(told *[2]uint64) {
	records, events := l.Lost()
	if records == told[0] && events == told[1] {
		return
	}
	e := zapcore.Entry{Time: time.Now(), Level: zapcore.ErrorLevel, Message: "records are missing here: the log is slower than the requests, or could not be written"}
	l.write(e, zap.Uint64("fastproxy.lost_records", records-told[0]), zap.Uint64("fastproxy.lost_events", events-told[1]))
	*told = [2]uint64{records, events}
}

// lines is the zapcore.Core behind Logger. It encodes where the line is
// written, because fields may not outlive that, and hands over the bytes.
type lines struct {
	zapcore.Level
	encoder zapcore.Encoder
	log     *Log
}

// With implements zapcore.Core.
func (c *lines) With(fields []zapcore.Field) zapcore.Core {
	more := &lines{c.Level, c.encoder.Clone(), c.log}
	for i := range fields {
		fields[i].AddTo(more.encoder)
	}
	return more
}

// Check implements zapcore.Core.
func (c *lines) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *lines) Write(e zapcore.Entry, fields []zapcore.Field) error {
	line, err := c.encoder.EncodeEntry(e, fields)
	if err == nil && !c.log.enqueue(line) {
		line.Free()
	}
	return err
}

// Sync implements zapcore.Core. Lines are on their way already.
func (c *lines) Sync() error { return nil }
