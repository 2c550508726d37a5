package fastproxy

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeHasEverySetting holds README's one table against the settings
// that there are; -update writes it.
func TestReadmeHasEverySetting(t *testing.T) {
	const file = "../README.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), "<!-- settings:")
	note, rest, ok2 := strings.Cut(rest, "-->\n")
	table, after, ok3 := strings.Cut(rest, "<!-- /settings -->")
	if !ok || !ok2 || !ok3 {
		t.Fatal("README.md: the marks around the table of settings are gone")
	}
	want := SettingsMarkdown()
	if table == want {
		return
	}
	if !*update {
		t.Fatal("README.md: the table of settings is not that of the code; run with -update")
	}
	text := before + "<!-- settings:" + note + "-->\n" + want + "<!-- /settings -->" + after
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
