package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outputDir is the directory of results that shinyloadtest::load_runs reads,
// laid out and written as shinycannon does it: recording.log,
// shinycannon-version.txt, sessions/<session>_<worker>_<iteration>.csv and
// perhaps debug.log.
type outputDir struct {
	path     string // "": nothing is written
	comments string // the two lines at the top of each CSV file
	debug    *os.File
}

// writtenAs is what shinycannon-version.txt says: the version whose output this
// is, and who wrote it.
const writtenAs = "1.1.0-fastbench"

// makeOutput makes the directory. One that is there is replaced only when that
// was asked for, and only if it looks like one of these. The error is a
// *UsageError.
func makeOutput(o *ReplayOptions, r *Recording) (*outputDir, error) {
	d := &outputDir{path: o.OutputDir, comments: o.comments()}
	if d.path == "" {
		if o.DebugLog {
			return nil, usage("replay: a debug log needs an output directory")
		}
		return d, nil
	}
	if err := clearOutput(d.path, o.Overwrite); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(d.path, "sessions"), 0o755); err != nil {
		return nil, usage("output: %v", err)
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(d.path, "recording.log"), r.raw, 0o644),
		os.WriteFile(filepath.Join(d.path, "shinycannon-version.txt"), []byte(writtenAs), 0o644))
	if err == nil && o.DebugLog {
		d.debug, err = os.Create(filepath.Join(d.path, "debug.log"))
	}
	if err != nil {
		return nil, usage("output: %v", err)
	}
	return d, nil
}

func clearOutput(path string, overwrite bool) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usage("output: %v", err)
	case !overwrite:
		return usage("output: %s is there already; --overwrite-output replaces it", path)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(path, "shinycannon-version.txt")); err != nil {
		return usage("output: %s holds other things than the results of a replay, so it is not replaced", path)
	}
	if err := os.RemoveAll(path); err != nil {
		return usage("output: %v", err)
	}
	return nil
}

func (d *outputDir) close() error {
	if d.debug == nil {
		return nil
	}
	return d.debug.Close()
}

// comments are the command line, and the same as JSON. Values of headers and
// passwords stay out of it.
func (o *ReplayOptions) comments() string {
	names := []string{}
	for name := range o.Header {
		names = append(names, name+": …")
	}
	settings := map[string]any{
		"recordingPath": o.Recording, "appUrl": o.URL, "workers": o.Workers,
		"loadedDurationMinutes": o.LoadedDuration.Minutes(), "startInterval": o.StartInterval.Milliseconds(),
		"outputDir": o.OutputDir, "overwriteOutput": o.Overwrite, "debugLog": o.DebugLog, "headers": names,
	}
	asJSON, _ := json.Marshal(settings)
	line := clip(strings.Join(withoutSecrets(o.Args), " "), 4000)
	return "# " + line + "\n# " + string(asJSON) + "\n"
}

// sessionLog is the CSV file of one session. It keeps rows and writes them a
// few kilobytes at a time, opening the file each time: thousands of sessions
// that are under way hold no descriptor for it.
type sessionLog struct {
	path   string // "": nothing is written
	prefix string // session, worker and iteration
	rows   []byte
	err    error // the first
}

const keptRows = 4 << 10

func (d *outputDir) newSession(session, worker, iteration int) *sessionLog {
	l := &sessionLog{prefix: fmt.Sprintf("%d,%d,%d,", session, worker, iteration)}
	if d.path != "" {
		l.path = filepath.Join(d.path, "sessions", fmt.Sprintf("%d_%d_%d.csv", session, worker, iteration))
		l.rows = append(l.rows, d.comments...)
		l.rows = append(l.rows, "session_id,worker_id,iteration,event,timestamp,input_line_number,comment\n"...)
	}
	return l
}

// row adds one, with the time it is now.
func (l *sessionLog) row(event string, line int) {
	if l.path == "" {
		return
	}
	l.rows = append(l.rows, l.prefix...)
	l.rows = append(l.rows, event...)
	l.rows = append(l.rows, ',')
	l.rows = strconv.AppendInt(l.rows, time.Now().UnixMilli(), 10)
	l.rows = append(l.rows, ',')
	l.rows = strconv.AppendInt(l.rows, int64(line), 10)
	l.rows = append(l.rows, ",\n"...)
	if len(l.rows) >= keptRows {
		l.flush()
	}
}

// flush writes what is kept, and tells of the first failure to.
func (l *sessionLog) flush() error {
	if len(l.rows) == 0 || l.err != nil {
		return l.err
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(l.rows)
		err = errors.Join(err, f.Close())
	}
	l.rows, l.err = l.rows[:0], err
	return err
}

// secretFlags are those whose value is not for everybody.
var secretFlags = []string{"-H", "--header", "--login", "-K", "--key", "--api-key", "--cookie", "--bearer"}

// withoutSecrets is a command line as it may be written down: of what follows
// such a flag only what stands before the first colon.
func withoutSecrets(args []string) []string {
	var safe []string
	hide := func(value string) string {
		name, _, ok := strings.Cut(value, ":")
		if !ok {
			name = ""
		}
		return name + ":…"
	}
	for i := 0; i < len(args); i++ {
		flag, value, joined := strings.Cut(args[i], "=")
		if rest, ok := strings.CutPrefix(args[i], "-H"); ok && rest != "" {
			flag, value, joined = "-H", rest, true
		}
		switch {
		case !slices.Contains(secretFlags, flag):
			safe = append(safe, args[i])
		case joined:
			safe = append(safe, flag+"="+hide(value))
		case i+1 < len(args):
			i++
			safe = append(safe, flag, hide(args[i]))
		}
	}
	return safe
}

// debugLog is where every event and message goes; nil where nobody asked.
func (d *outputDir) debugLog() *slog.Logger {
	if d.debug == nil {
		return nil
	}
	return slog.New(slog.NewTextHandler(d.debug, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
