// Package passwd is the flat file of passwords that Shiny Server Pro calls
// auth-passwd: one line for each user,
//
//	kim:{scrypt}c2NyeXB0AA4AAAAI…
//
// and beside it, if wanted, a file of groups, "group:user,user" a line. Blank
// lines and lines that begin with "#" are kept and ignored in both. File is
// the reading side: it checks passwords without letting anybody make that
// expensive, and follows the files as they change. Set, Delete and Create are
// the writing side, for sspasswd. Backoff slows guessing down.
package passwd

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
)

var (
	// ErrWrong says that this user with this password is nobody, and not which
	// of the two is wrong.
	ErrWrong = errors.New("passwd: wrong user or password")

	// ErrBusy says that too many checks wait: an HTTP answer would be 429 with
	// a Retry-After of a few seconds.
	ErrBusy = errors.New("passwd: too many passwords wait to be checked")
)

// passwordMax is how long a password may be, in bytes.
const passwordMax = 1 << 10

// File is a password file and, if there is one, its groups file, as last read
// without a mistake. Its methods may be called from many goroutines.
type File struct {
	path, groupsPath string // set once
	turnstile        *turnstile

	current atomic.Pointer[reading]

	reloading sync.Mutex
	stamps    stamps // guarded by reloading: what the files looked like when last tried
}

type reading struct {
	*table
	warnings []string
	digest   [2][sha256.Size]byte
}

// Account is somebody who proved a password.
type Account struct {
	User   string
	Groups []string // in the order of the groups file; shared, so read it only

	// Fingerprint is of the user's line, as it was when the password was
	// checked: while File.Fingerprint says the same, the proof stands. It
	// reveals nothing of the line.
	Fingerprint string
}

// Open reads the file at path and, unless groupsPath is "", the groups file.
// The error names every mistake as file:line, with what was found and what is
// wanted, never a hash. Follow changes with Run; there is nothing to close.
func Open(path, groupsPath string) (*File, error) {
	f := &File{path: path, groupsPath: groupsPath, turnstile: everyone}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Check proves user's password; it is CheckFrom without an address.
func (f *File) Check(ctx context.Context, user string, password []byte) (Account, error) {
	return f.CheckFrom(ctx, "", user, password)
}

// CheckFrom proves user's password. addr, the visitor's address, is only for
// fairness: at most one check for each core and 512 MiB run at once in the
// whole process, a bounded number wait, and addresses take turns.
//
// It blocks for its turn and then for the time that the line's scrypt
// parameters take, 0.1 s with what sspasswd writes; an unknown user costs the
// same. Errors are ErrWrong (an empty password and one over 1 KiB, too),
// ErrBusy, or ctx's own while waiting; scrypt itself is not interrupted.
func (f *File) CheckFrom(ctx context.Context, addr, user string, password []byte) (Account, error) {
	if len(password) == 0 || len(password) > passwordMax {
		return Account{}, ErrWrong
	}
	t := f.current.Load()
	h := t.decoy(user) // for everybody: picking it takes time too
	who := t.people[user]
	if who != nil {
		h = who.hash
	}
	if err := f.turnstile.enter(ctx, addressKey(addr), h.memory()); err != nil {
		return Account{}, err
	}
	ok := h.Verify(password)
	f.turnstile.leave(h.memory())
	if !ok || who == nil { // a decoy is somebody's real hash
		return Account{}, ErrWrong
	}
	return Account{User: user, Groups: who.groups, Fingerprint: who.fingerprint}, nil
}

// Fingerprint returns the fingerprint of user's line as it is now, false when
// there is none. It never blocks.
func (f *File) Fingerprint(user string) (string, bool) {
	who := f.current.Load().people[user]
	if who == nil {
		return "", false
	}
	return who.fingerprint, true
}

// Groups returns the groups that user is in now, in the order of the groups
// file. The slice is shared: read it only. It never blocks.
func (f *File) Groups(user string) []string {
	if who := f.current.Load().people[user]; who != nil {
		return who.groups
	}
	return nil
}

// Users is how many users the file has now.
func (f *File) Users() int { return len(f.current.Load().people) }

// Warnings lists what is allowed but unwise about the files as last read: who
// else may read or write them, and groups of users who do not exist. Each is
// one line that names the file.
func (f *File) Warnings() []string { return f.current.Load().warnings }

// Reload reads both files again and reports whether either has another
// content than before. On error nothing changes.
func (f *File) Reload() (changed bool, err error) {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	// Taken before reading: a change in between is seen as one by the next look.
	f.stamps = f.look()
	next, err := f.read()
	if err != nil {
		return false, err
	}
	last := f.current.Swap(next)
	return last == nil || last.digest != next.digest, nil
}

func (f *File) read() (*reading, error) {
	content, mode, err := readFile(f.path)
	if err != nil {
		return nil, err
	}
	r := &reading{warnings: secrecy(f.path, mode)}
	r.digest[0] = sha256.Sum256([]byte(content))
	var groups string
	if f.groupsPath != "" {
		var groupsMode fs.FileMode
		if groups, groupsMode, err = readFile(f.groupsPath); err != nil {
			return nil, err
		}
		r.warnings = append(r.warnings, writers(f.groupsPath, groupsMode)...)
		r.digest[1] = sha256.Sum256([]byte(groups))
	}
	if r.table, err = parse(f.path, content, f.groupsPath, groups); err != nil {
		return nil, err
	}
	r.warnings = append(r.warnings, r.typos...)
	return r, nil
}
