package policy

import "unicode/utf8"

// Match is where a target leads. Its memory belongs to the table and to the
// target that Judge was given.
type Match struct {
	Mount    *Mount // nil: nothing is there, or it is Own; never to be changed
	Rest     []byte // what follows the mount, query included, as the client sent it, without a slash before it
	Redirect bool   // the target is the mount without its last slash; Rest is the query with its "?"
	Own      bool   // one of the proxy's own paths
}

// Judge reads a request target in origin-form (RFC 9112 section 3.2.1) and says
// which mount covers it. Servers differ in whether they decode a path, split it
// at backslashes, cut its segments at ";", or collapse its slashes. Where such
// readings lead to different mounts, and where a path is harmful in any of them
// (dot segments, controls, two slashes in front, a second layer of escapes),
// Judge answers a TargetError: a bad request. The query may hold any visible
// ASCII but "#".
//
// A target without escapes and odd characters costs no allocation, nor does
// any other up to 512 bytes of path.
func (t *Table) Judge(target []byte) (Match, error) {
	path, plain, err := cutPath(target)
	if err != nil {
		return Match{}, err
	}
	if plain {
		at := t.find(path)
		return t.match(at, target[at.length:]), nil
	}
	return t.judgeOdd(target, path)
}

// judgeOdd judges a path of which there is more than one reading.
func (t *Table) judgeOdd(target, path []byte) (Match, error) {
	var s space
	r, err := read(path, &s)
	if err != nil {
		return Match{}, err
	}
	// JavaScript's unescape makes "Ü" of %DC; in UTF-8 no such byte stands alone.
	if t.nonASCII && !utf8.Valid(r.decoded) {
		return Match{}, errUTF8
	}
	at := t.find(r.raw)
	if t.find(r.decoded).mount != at.mount || t.find(r.folded).mount != at.mount {
		return Match{}, errReadings
	}
	// The upstream would see "//name", which is a host to some (RFC 3986 4.2).
	if at.mount >= 0 && at.length < len(r.decoded) && isSlash(r.decoded[at.length]) {
		return Match{}, errSlashes
	}
	return t.match(at, target[rawLength(path, at.length):]), nil
}

// match makes the Match of a place; rest is what follows it in the target.
func (t *Table) match(at place, rest []byte) Match {
	switch at.mount {
	case none:
		return Match{}
	case own:
		return Match{Own: true}
	}
	return Match{Mount: &t.mounts[at.mount], Rest: rest, Redirect: at.bare}
}

// rawLength is how many bytes of path the first n of its raw reading are. No
// escape that the raw reading keeps stands there: mounts hold no "%".
func rawLength(path []byte, n int) int {
	i := 0
	for range n {
		if path[i] == '%' {
			i += 2
		}
		i++
	}
	return i
}
