//go:build unix

package passwd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, large, "")
	if err := os.Truncate(large, fileMax+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                           "no regular file",
		pipe:                          "no regular file",
		large:                         "more than 16 MiB",
		filepath.Join(dir, "missing"): "no such file",
	} {
		if _, err := Open(path, ""); err == nil || !strings.Contains(err.Error(), "passwd: read "+path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, want %q", err, want)
		}
	}
}
