//go:build unix

package passwd

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// ErrNoUser says that the file has no line of that user.
var ErrNoUser = errors.New("passwd: no such user")

// Set gives user this hash in the file at path, which must exist, and reports
// whether the user is new. All other lines stay as they are, broken ones too.
//
// Set, Delete and Create may run in many processes at once: each holds a lock
// on the file's directory from reading to renaming, waiting up to 30 s for it.
// The new file takes the old one's place in one step, with its owner, group,
// mode and ACL; if it cannot have them, nothing changes. A path that is a
// symbolic link stays one: the file it leads to is replaced.
func Set(path, user string, h Hash) (added bool, err error) {
	err = edit(path, user, func(old string, exists bool) (string, error) {
		if !exists {
			return "", fs.ErrNotExist
		}
		next, found := replaceUser(old, user, user+":"+h.Encode()+"\n")
		added = !found
		return next, nil
	})
	return added, err
}

// Delete takes user's line out of the file at path. It returns ErrNoUser when
// there is none. See Set.
func Delete(path, user string) error {
	return edit(path, user, func(old string, exists bool) (string, error) {
		if !exists {
			return "", fs.ErrNotExist
		}
		next, found := replaceUser(old, user, "")
		if !found {
			return "", ErrNoUser
		}
		return next, nil
	})
}

// Create makes a file at path that holds user with this hash only. A new file
// gets mode 0640; one that exists is overwritten, but keeps owner, group, mode
// and ACL. See Set.
func Create(path, user string, h Hash) error {
	return edit(path, user, func(string, bool) (string, error) {
		return user + ":" + h.Encode() + "\n", nil
	})
}

// edit runs change on the file's content, under the lock.
func edit(path, user string, change func(old string, exists bool) (string, error)) error {
	if err := CheckName(user); err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	names, err := follow(path)
	if err != nil {
		return fmt.Errorf("passwd: edit %s: %w", path, bare(err))
	}
	name := names[len(names)-1]
	unlock, err := lockDirectory(name)
	if err != nil {
		return fmt.Errorf("passwd: edit %s: %w", path, err)
	}
	defer unlock()

	old, _, err := readFile(name)
	exists := !errors.Is(err, fs.ErrNotExist)
	if err != nil && exists {
		return err
	}
	next, err := change(old, exists)
	if errors.Is(err, ErrNoUser) {
		return err
	}
	if err == nil {
		err = replaceFile(name, next, exists)
	}
	if err != nil {
		return fmt.Errorf("passwd: edit %s: %w", path, err)
	}
	return nil
}

// replaceUser returns content with line in the place of user's first line, or
// at the end when there is none, and without user's other lines. An empty line
// only takes away.
func replaceUser(content, user, line string) (next string, found bool) {
	var b strings.Builder
	b.Grow(len(content) + len(line) + 1)
	body, marked := strings.CutPrefix(content, "\ufeff")
	if marked {
		b.WriteString("\ufeff")
	}
	for text := range strings.Lines(body) {
		if !belongsTo(text, user) {
			b.WriteString(text)
			continue
		}
		if !found {
			b.WriteString(line)
		}
		found = true
	}
	if found || line == "" {
		return b.String(), found
	}
	if body != "" && !strings.HasSuffix(body, "\n") {
		b.WriteByte('\n')
	}
	b.WriteString(line)
	return b.String(), false
}
