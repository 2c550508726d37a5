package config

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// vectors were made by dotenv 2.0.0 itself.
func vectors(t testing.TB) (list []struct {
	In  string
	Out map[string]string
}) {
	b, err := os.ReadFile("testdata/dotenv2.json")
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDotenvReadsEverythingAsDotenv2Did(t *testing.T) {
	for _, v := range vectors(t) {
		got := map[string]string{}
		for _, p := range ParseDotenv([]byte(v.In)) {
			got[p.Name] = p.Value
		}
		if !maps.Equal(got, v.Out) {
			t.Errorf("of %q\n got %q\nwant %q", v.In, got, v.Out)
		}
	}
}

func TestDotenvKeepsOrderAndTheLineThatCounts(t *testing.T) {
	got := ParseDotenv([]byte("B=1\n# no\nA=2\nB=3\n"))
	if len(got) != 2 || got[0] != (Variable{"B", "3", 4}) || got[1] != (Variable{"A", "2", 3}) {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseDotenv(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.In))
	}
	f.Add([]byte("A=\xff\xfe\nB=\"\xc3\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := map[string]bool{}
		lines := strings.Count(string(b), "\n") + 1
		for _, v := range ParseDotenv(b) {
			if seen[v.Name] || v.Name == "" || v.Line < 1 || v.Line > lines {
				t.Fatalf("of %q: %+v", b, v)
			}
			seen[v.Name] = true
			if v.Value != strings.Trim(v.Value, spaces) {
				t.Fatalf("of %q: value %q is not trimmed", b, v.Value)
			}
			if utf8.Valid(b) && !utf8.ValidString(v.Value) {
				t.Fatalf("of %q: value %q is cut inside a character", b, v.Value)
			}
			// What was read, written again without quotes or escapes, reads the same.
			if strings.ContainsAny(v.Value, "\"'\n\r\u2028\u2029") {
				continue
			}
			again := ParseDotenv([]byte(v.Name + "=" + v.Value))
			if len(again) != 1 || again[0].Value != v.Value {
				t.Fatalf("of %q: %+v reads as %+v", b, v, again)
			}
		}
	})
}
