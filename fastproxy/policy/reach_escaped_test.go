package policy

import "testing"

func TestAnEscapedMountPathIsFoundAgain(t *testing.T) {
	for path, want := range map[string]string{
		"/":                 "/",
		"/reports/":         "/reports/",
		"/reports/Q1 (x)/":  "/reports/Q1%20(x)/",
		"/Über uns/":        "/%C3%9Cber%20uns/",
		`/a!b'c*d,e=f:g@/`:  `/a!b'c*d,e=f:g@/`,
		`/{"<>^|}[]` + "`/": "/%7B%22%3C%3E%5E%7C%7D%5B%5D%60/",
		"/Q&A+$~/":          "/Q&A+$~/",
	} {
		tab, err := NewTable([]Mount{{Path: path}})
		if err != nil {
			t.Fatal(err)
		}
		m := tab.Mounts()[0]
		if got := m.EscapedPath(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if at, err := tab.Judge([]byte(want + "x")); err != nil || at.Mount == nil || string(at.Rest) != "x" {
			t.Errorf("%s: %+v, %v", want, at, err)
		}
	}
}
