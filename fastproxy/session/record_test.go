package session

import (
	"strings"
	"testing"
)

func TestRecordsReadWhatTheyWrite(t *testing.T) {
	for _, r := range []record{
		{NewID(), 1_700_000_000, 1_600_000_000, WhyPasswordChanged},
		{NewID(), 1, 0, ""},
	} {
		line := r.appendTo(nil)
		if len(line) > lineMax {
			t.Errorf("a line of %d bytes", len(line))
		}
		got, err := parseRecord(line[:len(line)-1])
		if err != nil || got != r {
			t.Errorf("wrote %q, read %+v, %v", line, got, err)
		}
	}
	odd := record{why: "two\nlines"}.appendTo(nil)
	if got, err := parseRecord(odd[:len(odd)-1]); err != nil || got.why != whyOther {
		t.Errorf("wrote %q, read %+v, %v", odd, got, err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(string(record{NewID(), 1_700_000_000, 1_600_000_000, WhyLogout}.appendTo(nil)))
	f.Add("A 00 1 1 - 00000000")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRecord([]byte(strings.TrimSuffix(s, "\n")))
		if err != nil {
			return
		}
		line := r.appendTo(nil)
		if again, err := parseRecord(line[:len(line)-1]); err != nil || again != r {
			t.Errorf("read %+v, then %+v, %v", r, again, err)
		}
	})
}
