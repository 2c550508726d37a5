package passwd

import (
	"reflect"
	"strings"
	"testing"
)

func TestGroupLines(t *testing.T) {
	for _, c := range []struct {
		text, group string
		users       []string
	}{
		{"Admin:kim,sam", "Admin", []string{"kim", "sam"}},
		{" R users : kim ,, sam , \r", "R users", []string{"kim", "sam"}},
		{"empty:", "empty", nil},
	} {
		group, users, err := parseGroup(c.text)
		if err != nil || group != c.group || !reflect.DeepEqual(users, c.users) {
			t.Errorf("%q: found %q %q %v", c.text, group, users, err)
		}
	}
	for text, want := range map[string]string{
		"Admin":             "no colon",
		":kim":              "no group name",
		"wheel:x:10:kim":    "second colon",
		"a,b:kim":           "comma before the colon",
		"a\x00:kim":         "control characters",
		"a:k\x01m":          "control character",
		"a:$kim":            `":" or "$"`,
		"a:#kim":            `"#"`,
		"a:kim,\xffsam,tom": "not UTF-8",
	} {
		if _, _, err := parseGroup(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: found error %v, want %q", text, err, want)
		}
	}
}

func FuzzGroupsFile(f *testing.F) {
	f.Add("Admin:kim,sam\n# c\n\nDL:sam\n")
	f.Add("\ufeffAdmin : kim\r\n")
	f.Add("wheel:x:10:kim")
	f.Add("a:" + strings.Repeat("kim,", 100))
	f.Add("a:tom\na:\xff\n:")
	people := "kim:" + cheap("x").Encode() + "\nsam:" + cheap("y").Encode() + "\n"
	f.Fuzz(func(t *testing.T, groups string) {
		table, err := parse("passwd", people, "groups", groups)
		if err != nil {
			if n := strings.Count(err.Error(), "\n"); n > problemsMax {
				t.Errorf("an error of %d lines", n)
			}
			return
		}
		if len(table.people) != 2 || len(table.typos) > problemsMax {
			t.Error("the groups file changed who exists")
		}
		for user, who := range table.people {
			seen := make(map[string]bool)
			for _, g := range who.groups {
				if g == "" || seen[g] || strings.ContainsAny(g, ",:\r\n\x00") {
					t.Errorf("user %s has the group %q", user, g)
				}
				seen[g] = true
			}
		}
	})
}
