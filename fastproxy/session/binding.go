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

// Binding ties a Stream to a session. It takes 32 bytes.
type Binding struct {
	live   *Live
	stream Stream

	at   int32  // its place in live.streams; guarded by live.mu
	seen uint32 // ClientBytes when last asked, as far as it fits: it is compared only; guarded by live.mu
}

// Release unties the stream, which is over. What its client sent last counts
// as activity. It may be called again.
func (b *Binding) Release() {
	if !b.live.unbind(b) {
		return
	}
	r := b.live.registry
	r.streams.Add(-1)
	now := r.options.Now()
	if b.clientBytes() != b.seen && b.live.Alive(now) { // unbound: seen is ours alone
		b.live.Touch(now)
	}
}

// end closes the stream, after somebody took the binding off its Live. The
// caller holds no lock.
func (b *Binding) end(why Why) {
	b.live.registry.streams.Add(-1)
	b.stream.End(why)
}

func (b *Binding) clientBytes() uint32 { return uint32(b.stream.ClientBytes()) }
