package loop

import "sync"

// mailbox takes functions from any goroutine and hands them to the loop.
type mailbox struct {
	wake func() // makes a waiting loop turn; set once

	mu     sync.Mutex
	full   []func() // guarded by mu
	closed bool     // guarded by mu

	taken []func() // owned by the loop: the last batch, whose memory is used again
}

func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.full = append(m.full, f)
	if len(m.full) == 1 { // else it has been woken and has not looked yet
		m.wake()
	}
	return true
}

// take returns what was posted. The slice is valid until the next take.
func (m *mailbox) take() []func() {
	clear(m.taken)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken, m.full = m.full, m.taken[:0]
	return m.taken
}

// close refuses further posts and returns what was posted before. After it
// wake is not called any more.
func (m *mailbox) close() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return m.full
}
