package passwd

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseGroup reads one line of the groups file that is no comment:
// "group:user,user". Spaces around names do not count. A group may stand on
// several lines, and may be empty.
func parseGroup(text string) (group string, users []string, err error) {
	group, rest, found := strings.Cut(text, ":")
	group = strings.TrimSpace(group)
	switch {
	case !found:
		return "", nil, errors.New("found no colon, want group:user,user")
	case strings.Contains(rest, ":"):
		return "", nil, errors.New("found a second colon, want group:user,user")
	case group == "":
		return "", nil, errors.New("found no group name, want group:user,user")
	case len(group) > nameMax || !utf8.ValidString(group) || strings.ContainsFunc(group, unicode.IsControl):
		return "", nil, errors.New("found a group name that is too long, not UTF-8 or has control characters")
	case strings.Contains(group, ","):
		return "", nil, errors.New("found a comma before the colon, want group:user,user")
	}
	for user := range strings.SplitSeq(rest, ",") {
		if user = strings.TrimSpace(user); user == "" {
			continue
		}
		if err := CheckName(user); err != nil {
			return "", nil, err
		}
		users = append(users, user)
	}
	return group, users, nil
}
