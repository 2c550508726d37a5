package audit

import (
	"sync"

	"go.uber.org/zap/zapcore"
)

// Batch gathers lines of access records for one loop, which hands them over
// together (Log.Hand): a line costs half as much as one that comes as a record
// of its own.
type Batch struct {
	b []byte
	n int // lines
}

const (
	batchFull   = 16 << 10 // then it is to be handed over
	batchesRoom = 4096     // that may wait
	queuedMost  = 8 << 20  // bytes of them
)

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch returns an empty batch, the caller's until it is handed over.
func NewBatch() *Batch { return batches.Get().(*Batch) }

// Add writes a's line, and borrows a no longer.
func (t *Batch) Add(a *Access) {
	t.b = a.appendLine(t.b)
	t.n++
}

// Full reports that the batch should be handed over before more is added.
func (t *Batch) Full() bool { return len(t.b) >= batchFull }

func (t *Batch) recycle() {
	if cap(t.b) <= 2*batchFull {
		t.b, t.n = t.b[:0], 0
		batches.Put(t)
	}
}

// TakesAccess reports whether access records are written at the log's level.
func (l *Log) TakesAccess() bool { return l.level <= zapcore.InfoLevel }

// Hand takes a batch over. It never blocks: what there is no room for is lost
// and counted.
func (l *Log) Hand(t *Batch) {
	if !l.queue(t) {
		l.lost.Add(uint64(t.n))
		t.recycle()
	}
}

func (l *Log) queue(t *Batch) bool {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed || l.queued.Load() > queuedMost {
		return false
	}
	size := int64(len(t.b)) // once sent, t is drain's
	l.queued.Add(size)
	select {
	case l.batches <- t:
		return true
	default:
		l.queued.Add(-size)
		return false
	}
}
