package passwd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// linksMax is Linux's own limit (path_resolution(7)).
const linksMax = 40

// follow returns what path leads to: its own name, the name that its symbolic
// link points to, and so on to the last, which is no link and may not exist.
// All are absolute, in directories without links.
func follow(path string) ([]string, error) {
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		path = wd + string(filepath.Separator) + path
	}
	var names []string
	for range linksMax {
		// Split, not Dir: "link/.." is not where Clean thinks it is.
		dir, base := filepath.Split(path)
		if base == "" || base == "." || base == ".." {
			return names, errors.New("found a directory's name, want a file's")
		}
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return names, err
		}
		name := filepath.Join(dir, base)
		names = append(names, name)
		st, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return names, nil
		}
		if err != nil {
			return names, err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			return names, nil
		}
		if path, err = os.Readlink(name); err != nil {
			return names, err
		}
		if !filepath.IsAbs(path) {
			path = dir + string(filepath.Separator) + path
		}
	}
	return names, errors.New("found too many symbolic links")
}
