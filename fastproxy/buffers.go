package fastproxy

import "sync"

// Sizes of the pooled buffers. A head begins in one that most heads fit in, for
// as long as half of it is here somebody may be keeping 2,000 of them; one that
// does not fit moves to maxHeadBytes.
const (
	firstBuffer = 2 << 10
	smallBuffer = 4 << 10
	copyBuffer  = 32 << 10
)

var (
	firstBuffers = sync.Pool{New: func() any { return new([firstBuffer]byte) }}
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	headBuffers  = sync.Pool{New: func() any { return new([maxHeadBytes]byte) }}
	copyBuffers  = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
)

// giveBuffer returns a buffer that came from one of the pools, told apart by
// its capacity; others are left to the collector.
func giveBuffer(b []byte) {
	switch cap(b) {
	case firstBuffer:
		firstBuffers.Put((*[firstBuffer]byte)(b[:firstBuffer]))
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case maxHeadBytes:
		headBuffers.Put((*[maxHeadBytes]byte)(b[:maxHeadBytes]))
	case copyBuffer:
		copyBuffers.Put((*[copyBuffer]byte)(b[:copyBuffer]))
	}
}

func takeFirst() []byte { return firstBuffers.Get().(*[firstBuffer]byte)[:] }
func takeSmall() []byte { return smallBuffers.Get().(*[smallBuffer]byte)[:] }
func takeHead() []byte  { return headBuffers.Get().(*[maxHeadBytes]byte)[:] }
func takeCopy() []byte  { return copyBuffers.Get().(*[copyBuffer]byte)[:] }
