package passwd

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, good := range []string{"kim", "a b", "kim@example.org", "Jürgen", "日本", "k#m", strings.Repeat("x", 256), "passwd", "a,b"} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a:b", "a$", "a\r", "a\nb", "a\x00", "\x1b[31m", "\u0085", " a", "a ", "\u00a0a", "#a", "\xff", strings.Repeat("x", 257)} {
		err := CheckName(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
		} else if bad != "" && len(bad) > 4 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: the error quotes it", bad)
		}
	}
}

func FuzzPasswordLine(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.user + ":" + v.hash)
		f.Add(v.user + ":" + v.hash + " \r")
	}
	f.Add("kim:{scrypt}")
	f.Add("kim:$2y$10$abc")
	f.Add("# a comment")
	f.Add(":")
	f.Add("kim:" + withParams(255, 1<<31, 1<<31))
	f.Add("a:" + withParams(18, 8, 4))
	f.Fuzz(func(t *testing.T, text string) {
		user, h, err := parseLine(text)
		if err != nil {
			if h != (Hash{}) {
				t.Error("an error and a hash")
			}
			return
		}
		if isComment(text) {
			t.Error("a comment that parses as a user's line")
		}
		if err := CheckName(user); err != nil {
			t.Error(err)
		}
		if h.memory() < 256 || h.memory() > memoryMax {
			t.Errorf("memory %d", h.memory())
		}
		if !belongsTo(text, user) {
			t.Error("an edit would not find this line")
		}
		again, h2, err := parseLine(user + ":" + h.Encode())
		if err != nil || again != user || h2 != h {
			t.Errorf("what is written does not read back: %v", err)
		}
	})
}
