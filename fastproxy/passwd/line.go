package passwd

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const nameMax = 256

// CheckName returns an error unless user can be the name on a line: UTF-8 of
// at most 256 bytes without ":", "$" and control characters, neither beginning
// nor ending with a space, nor beginning with "#", which makes a comment.
func CheckName(user string) error {
	switch {
	case user == "":
		return errors.New("found no user name")
	case len(user) > nameMax:
		return fmt.Errorf("found a user name of %d bytes, want at most %d", len(user), nameMax)
	case !utf8.ValidString(user):
		return errors.New("found a user name that is not UTF-8")
	case strings.ContainsFunc(user, unicode.IsControl):
		return errors.New("found a user name with a control character")
	case strings.ContainsAny(user, ":$"):
		return errors.New(`found a user name with ":" or "$"`)
	case strings.TrimSpace(user) != user:
		return errors.New("found a user name that begins or ends with a space")
	case user[0] == '#':
		return errors.New(`found a user name that begins with "#", which makes the line a comment`)
	}
	return nil
}

// isComment reports whether a line is kept and ignored.
func isComment(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || text[0] == '#'
}

// parseLine reads one line that is no comment. Spaces and a CR at its end do
// not count. Errors quote nothing of it: anything may have been pasted there.
func parseLine(text string) (user string, h Hash, err error) {
	user, rest, found := strings.Cut(strings.TrimRight(text, " \t\r"), ":")
	if !found {
		return "", Hash{}, errors.New("found no colon, want user:" + tag + " and a hash, as sspasswd writes it")
	}
	if err := CheckName(user); err != nil {
		return "", Hash{}, err
	}
	h, err = ParseHash(rest)
	return user, h, err
}

// belongsTo reports whether a line, good or broken, is this user's.
func belongsTo(text, user string) bool {
	name, _, found := strings.Cut(text, ":")
	return found && name == user && !isComment(text)
}
