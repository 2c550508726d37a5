package identity

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
)

// groupSet keeps the first of each group, in the order they came.
type groupSet struct {
	list []string
	seen map[string]struct{}
}

// add takes a group as it is, but for "" and names with NUL, which R could
// not hold.
func (s *groupSet) add(g string) {
	if g == "" || strings.IndexByte(g, 0) >= 0 {
		return
	}
	g = strings.ToValidUTF8(g, "\uFFFD")
	if _, dup := s.seen[g]; dup {
		return
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[g] = struct{}{}
	s.list = append(s.list, g)
}

// groupsOf reads a groups claim in the shapes that issuers send: an array of
// strings, numbers or objects with a name; one of those alone; a string,
// split at commas; a string that is a JSON array. What is none of these is
// left out: a missing group never opens anything.
func groupsOf(claim any) []string {
	var set groupSet
	switch v := claim.(type) {
	case []any:
		set.addAll(v)
	case []string:
		for _, g := range v {
			set.add(g)
		}
	case string:
		if array, ok := jsonArray(v); ok {
			set.addAll(array)
			break
		}
		for g := range strings.SplitSeq(v, ",") {
			set.add(strings.TrimSpace(g))
		}
	default:
		set.add(groupOf(v))
	}
	return set.list
}

func (s *groupSet) addAll(elements []any) {
	for _, e := range elements {
		s.add(groupOf(e))
	}
}

func groupOf(element any) string {
	switch v := element.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		// Beyond 2^53 two ids would become one group.
		if math.Abs(v) < 1<<53 {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
	case map[string]any:
		name, _ := v["name"].(string)
		return name
	}
	return ""
}

// jsonArray reads s as one JSON array with nothing behind it.
func jsonArray(s string) ([]any, bool) {
	b := bytes.TrimSpace([]byte(s))
	if len(b) == 0 || b[0] != '[' {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var array []any
	if d.Decode(&array) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return array, true
}
