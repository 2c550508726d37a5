package relay

// farewell returns the words for the sink.
func (w *way) farewell() []byte {
	f := w.k.t.parting()
	if w.from() == client {
		return f.ToBackend
	}
	return f.ToClient
}

// sayFarewell says the proxy's last words if they fit here, and gives up on
// them where nothing fits any more; it reports whether either was so.
func (w *way) sayFarewell() bool {
	words := w.farewell()
	switch {
	case len(words) > 0 && w.scan.fits(words):
		w.words = true
		w.stage = discarding
		w.write(words)
	case len(words) == 0, w.scan.hopeless(), w.inspector() != nil: // the rest of a frame may be just what must not pass
		w.stage = discarding
	default:
		return false
	}
	w.end = shutting
	return true
}

// reach passes on the rest of what is half through and drops what comes
// behind it.
func (w *way) reach(b []byte) {
	if n := w.scan.until(b, w.farewell()); n > 0 {
		w.write(b[:n])
	}
}
