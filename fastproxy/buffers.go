package fastproxy

import "sync"

// Sizes of the pooled buffers. A head begins in the first, which most fit in,
// and moves to larger ones; somebody may keep 2,000 heads half sent. Bodies
// are copied in small ones, until they fill them.
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

// takeBuffer returns a buffer of the smallest size that holds n bytes. Whoever
// is done with it gives it back, once.
func takeBuffer(n int) []byte {
	switch {
	case n <= firstBuffer:
		return firstBuffers.Get().(*[firstBuffer]byte)[:]
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:]
	case n <= maxHeadBytes:
		return headBuffers.Get().(*[maxHeadBytes]byte)[:]
	case n <= copyBuffer:
		return copyBuffers.Get().(*[copyBuffer]byte)[:]
	}
	return make([]byte, n)
}

// giveBuffer takes back a buffer, told apart by its capacity; one that is of
// no size here is left to the collector.
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

// fitBuffer returns the buffer for the next read of a body, in place of b,
// whose last n bytes read are dealt with: larger where they come fast, up to
// most. Who sends or takes little holds little.
func fitBuffer(b []byte, n, most int) []byte {
	size := len(b)
	switch {
	case n >= size*3/4:
		size = max(size, min(4*size, most))
	case n < smallBuffer/2:
		size = smallBuffer
	}
	if size == len(b) {
		return b
	}
	giveBuffer(b)
	return takeBuffer(size)
}
