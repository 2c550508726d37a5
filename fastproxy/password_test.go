package fastproxy

import (
	"os"
	"path/filepath"
	"testing"
)

// tinasFile is a flat file with tina in it; sign-ins with it are quick.
func tinasFile(t testing.TB) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte(tinaLine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"AUTH_PASSWD_FILE": file}
}
