package fastproxy

import "sync"

// Sizes of the pooled buffers. A connection starts with a small one; a head
// that does not fit moves to one of maxHeadBytes.
const (
	smallBuffer = 4 << 10
	copyBuffer  = 32 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	headBuffers  = sync.Pool{New: func() any { return new([maxHeadBytes]byte) }}
	copyBuffers  = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
)

// giveBuffer returns a buffer that came from one of the pools, told apart by
// its capacity; others are left to the collector.
func giveBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case maxHeadBytes:
		headBuffers.Put((*[maxHeadBytes]byte)(b[:maxHeadBytes]))
	case copyBuffer:
		copyBuffers.Put((*[copyBuffer]byte)(b[:copyBuffer]))
	}
}

func takeSmall() []byte { return smallBuffers.Get().(*[smallBuffer]byte)[:] }
func takeHead() []byte  { return headBuffers.Get().(*[maxHeadBytes]byte)[:] }
func takeCopy() []byte  { return copyBuffers.Get().(*[copyBuffer]byte)[:] }
