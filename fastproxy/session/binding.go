package session

// Stream is something a person holds open: a tunnel, an answer that streams.
type Stream interface {
	// End closes the stream, with the farewell that its client understands. It
	// must not block. It may come from any goroutine, once, and still after
	// Release.
	End(why Why)

	// ClientBytes grows with what the client sent. It must not block, nor call
	// this package.
	ClientBytes() uint64
}

// Binding ties a Stream to a session. It takes 64 bytes.
type Binding struct {
	registry *Registry
	live     *Live
	stream   Stream

	at   int    // its place in live.streams; guarded by live.mu
	seen uint64 // ClientBytes when last asked; guarded by live.mu
}

// Release unties the stream, which is over. What its client sent last counts
// as activity. It may be called again.
func (b *Binding) Release() {
	if !b.live.unbind(b) {
		return
	}
	b.registry.streams.Add(-1)
	now := b.registry.options.Now()
	if b.stream.ClientBytes() != b.seen && b.live.Alive(now) { // unbound: seen is ours alone
		b.live.Touch(now)
	}
}

// end closes the stream, after somebody took the binding off its Live. The
// caller holds no lock.
func (b *Binding) end(why Why) {
	b.registry.streams.Add(-1)
	b.stream.End(why)
}
