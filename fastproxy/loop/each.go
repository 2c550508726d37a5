package loop

// Each calls f for every descriptor that is watched, with its handler; f may
// close it, or any other.
func (l *Loop) Each(f func(key Key, h Handler)) {
	for key := range Key(l.made) {
		if h := l.row(key).handler; h != nil {
			f(key, h)
		}
	}
}
