package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// makeStateDir makes dir with mode 0700, and refuses one where others could
// put a journal of theirs in the place of ours.
func makeStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("session: make state directory: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("session: make state directory: %w", err)
	}
	if mode := st.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("session: state directory %s: found mode %#o, want 0700: others may write there", dir, mode)
	}
	return nil
}

// lockState takes the lock that one process at a time may have, for as long as
// the file is open. The file itself stays, with the holder's process id in it.
func lockState(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("session: lock state: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		holder := make([]byte, 32)
		n, _ := f.Read(holder)
		return nil, fmt.Errorf("session: lock state: %s is in use by another process (pid %s): stop it, or give each its own STATE_DIR",
			filepath.Dir(path), strings.TrimSpace(string(holder[:n])))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("session: lock state: %s: %w", path, err)
	}
	return f, nil
}

// syncDir makes a rename in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
