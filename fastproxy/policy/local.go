package policy

import "strings"

// LocalPath returns s if a browser can be sent there after sign-in: a path on
// this origin with its query and fragment, every byte as it came. Not local
// are other origins in any disguise ("//host", "/\host", control bytes that
// browsers skip), what Judge refuses, and the proxy's own paths in any
// reading: nobody signs in to be signed out.
func LocalPath(s string) (string, bool) {
	page, fragment, _ := strings.Cut(s, "#")
	path, _, err := cutPath([]byte(page))
	if err != nil || checkFragment(fragment) != nil {
		return "", false
	}
	r, err := read(path, new(space))
	if err != nil {
		return "", false
	}
	for _, reading := range [][]byte{r.raw, r.decoded, r.folded} {
		if isOwn(reading) {
			return "", false
		}
	}
	return s, true
}

func checkFragment(fragment string) error {
	for i := range len(fragment) {
		if classes[fragment[i]] == classBad {
			return errByte
		}
	}
	return nil
}

// isOwn reports whether path is the proxy's own.
func isOwn(path []byte) bool { return onlyOwn.find(path).mount == own }

var onlyOwn = func() *Table {
	t, err := NewTable(nil)
	if err != nil {
		panic(err) // only for mounts
	}
	return t
}()
