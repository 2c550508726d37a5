package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source says where settings are written. Relative files are found from Dir.
type Source struct {
	Dir          string // "" is the working directory
	YAMLFile     string // "" for none
	YAMLRequired bool   // else it may be absent
	EnvFile      string // a .env file, read as ParseDotenv does; "" for none
	EnvRequired  bool
	Environ      []string // the real environment, as os.Environ gives it
}

// largest bounds every file that is read: settings are small, and a path that
// names a disk or a log should be told so, not read.
const largest = 1 << 20

// read returns a file's bytes. The error is fit for a problem's text: it does
// not name the file.
func (s *Source) read(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.Dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(b) > largest {
		return nil, fmt.Errorf("found more than %d bytes, want a settings file", largest)
	}
	return b, nil
}

func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// variable is where a variable was set, and to what.
type variable struct {
	place
	value string
}

// variables are the environment over the .env file. Empty counts as not set,
// as it did for dotenv.
func (l *loader) variables() map[string]variable {
	vars := map[string]variable{}
	for _, v := range l.dotenv {
		if v.Value != "" {
			vars[v.Name] = variable{place{l.src.EnvFile, v.Line, v.Name, inDotenv}, v.Value}
		}
	}
	for _, s := range l.src.Environ {
		if name, value, ok := strings.Cut(s, "="); ok && value != "" {
			vars[name] = variable{place{name: name, kind: inEnvironment}, value}
		}
	}
	return vars
}

func (l *loader) readDotenv() {
	if l.src.EnvFile == "" {
		return
	}
	b, err := l.src.read(l.src.EnvFile)
	switch {
	case err == nil:
		l.dotenv = ParseDotenv(b)
	case l.src.EnvRequired || !errors.Is(err, fs.ErrNotExist):
		l.problems.Add("", l.src.EnvFile, "%v", err)
	}
}

func (l *loader) readYAML() *tree {
	if l.src.YAMLFile == "" {
		return nil
	}
	b, err := l.src.read(l.src.YAMLFile)
	if err != nil {
		if l.src.YAMLRequired || !errors.Is(err, fs.ErrNotExist) {
			l.problems.Add("", l.src.YAMLFile, "%v", err)
		}
		return nil
	}
	root, err := parseYAML(b)
	if err != nil {
		var ye *yamlError
		errors.As(err, &ye)
		l.problems.Add("", fmt.Sprintf("%s:%d", l.src.YAMLFile, ye.line), "%s", ye.text)
		return nil
	}
	return root
}

// readSecret returns the content of the file that NAME_FILE names, one
// trailing newline cut.
func (s *Source) readSecret(name string) (string, error) {
	b, err := s.read(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", errors.New("found an empty file, want the secret in it")
	}
	return text, nil
}
