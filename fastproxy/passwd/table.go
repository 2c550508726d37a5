package passwd

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// table is one reading of both files. It is never changed after parse made it.
type table struct {
	people map[string]*person
	decoys []Hash // never empty: what checking an unknown user may cost
	typos  []string
}

type person struct {
	hash        Hash
	line        int
	fingerprint string
	groups      []string
}

// problemsMax is how many broken lines one error names.
const problemsMax = 10

// parse reads the contents of both files; the names are for errors.
func parse(name, content, groupsName, groups string) (*table, error) {
	t := &table{people: make(map[string]*person)}
	var p problems
	t.parsePeople(&p, name, content)
	t.parseGroups(&p, groupsName, groups)
	if err := p.err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *table) parsePeople(p *problems, name, content string) {
	costs := make(map[[9]byte]bool)
	for i, text := range numbered(content) {
		if isComment(text) {
			continue
		}
		user, h, err := parseLine(text)
		if err != nil {
			p.add(name, i, err)
			continue
		}
		if first := t.people[user]; first != nil {
			p.add(name, i, fmt.Errorf("found user %q again, first on line %d; want one line for each user", user, first.line))
			continue
		}
		t.people[user] = &person{hash: h, line: i, fingerprint: fingerprint(user, h)}
		t.decoys = append(t.decoys, h)
		costs[h.cost()] = true
	}
	switch {
	case len(t.decoys) == 0:
		t.decoys = []Hash{emptyDecoy}
	case len(costs) == 1:
		t.decoys = t.decoys[:1]
	}
}

func (t *table) parseGroups(p *problems, name, content string) {
	for i, text := range numbered(content) {
		if isComment(text) {
			continue
		}
		group, users, err := parseGroup(text)
		if err != nil {
			p.add(name, i, err)
			continue
		}
		for _, user := range users {
			who := t.people[user]
			if who == nil {
				if len(t.typos) < problemsMax {
					t.typos = append(t.typos, fmt.Sprintf("%s:%d: group %q names user %q, who is not in the password file", name, i, group, user))
				}
				continue
			}
			if !slices.Contains(who.groups, group) {
				who.groups = append(who.groups, group)
			}
		}
	}
}

// numbered yields the lines of a file from 1 on, without a byte order mark.
func numbered(content string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		i := 0
		for text := range strings.Lines(strings.TrimPrefix(content, "\ufeff")) {
			i++
			if !yield(i, strings.TrimRight(text, "\r\n")) {
				return
			}
		}
	}
}

// emptyDecoy is what a guess costs where nobody has a line.
var emptyDecoy = func() Hash {
	var h Hash
	copy(h.raw[:], magic)
	h.raw[7], h.raw[11], h.raw[15] = LogNDefault, 8, 1
	return h
}()

// decoy picks the hash that is checked for an unknown user, so that time does
// not tell who exists: of lines with several costs always the same one for the
// same name, also after a restart, and after an edit of another line
// (rendezvous hashing; the salts are what an attacker does not know).
func (t *table) decoy(user string) Hash {
	if len(t.decoys) == 1 {
		return t.decoys[0]
	}
	user = user[:min(len(user), nameMax)] // what a form brings may be longer, and there may be many lines
	var best [sha256.Size]byte
	var pick int
	for i := range t.decoys {
		in := append(make([]byte, 0, 32+nameMax), t.decoys[i].raw[16:48]...)
		if sum := sha256.Sum256(append(in, user...)); slices.Compare(sum[:], best[:]) > 0 {
			best, pick = sum, i
		}
	}
	return t.decoys[pick]
}

// fingerprint changes when a user's line does. It is a hash over 32 random
// bytes of salt among other things, so it tells nothing of the line.
func fingerprint(user string, h Hash) string {
	d := sha256.New()
	fmt.Fprintf(d, "fastproxy passwd line\x00%s\x00", user)
	d.Write(h.raw[:])
	return base64.RawURLEncoding.EncodeToString(d.Sum(nil)[:16])
}

// problems gathers what is wrong with the files, so that one look mends all.
type problems struct {
	errs []error
	more int
}

func (p *problems) add(name string, line int, err error) {
	if len(p.errs) == problemsMax {
		p.more++
		return
	}
	p.errs = append(p.errs, fmt.Errorf("passwd: %s:%d: %w", name, line, err))
}

func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.errs, fmt.Errorf("passwd: and %d more lines", p.more))...)
	}
	return errors.Join(p.errs...)
}
