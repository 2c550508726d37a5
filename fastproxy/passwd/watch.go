package passwd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	// fsnotify: the one portable watcher in wide use (inotify, kqueue, Windows).
	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long the files must rest before they are read: an editor
	// that truncates and writes must not make users vanish for a moment.
	quiet = 100 * time.Millisecond
	// quietMax bounds that where somebody keeps writing.
	quietMax = 2 * time.Second
	// patrol is how often the files are looked at anyway, for what a watcher
	// cannot see: network file systems, directories that were swapped.
	patrol = 10 * time.Second
)

// stamps are both files as one look found them; nil where there was none.
type stamps [2]fs.FileInfo

func (f *File) look() stamps {
	var s stamps
	s[0], _ = os.Stat(f.path)
	if f.groupsPath != "" {
		s[1], _ = os.Stat(f.groupsPath)
	}
	return s
}

// untouched reports whether the files look as they did when last tried.
func (f *File) untouched() bool {
	now := f.look()
	f.reloading.Lock()
	defer f.reloading.Unlock()
	return sameStamp(now[0], f.stamps[0]) && sameStamp(now[1], f.stamps[1])
}

// Run follows the files until ctx ends, then returns nil. It watches their
// directories (and those that symbolic links lead through), because a file
// that is replaced has no watch any more. After a change it reads both anew;
// when their content is another, it calls onChange, after Fingerprint and the
// rest tell the new truth. A file that cannot be read or has mistakes changes
// nothing and goes to onError, once for each new error. Both are called from
// Run's goroutine. Without inotify (its limits are easily reached) Run still
// looks every ten seconds.
func (f *File) Run(ctx context.Context, onChange func(), onError func(error)) error {
	w := watch{file: f, onChange: onChange, onError: onError}
	defer w.close()
	w.open()
	w.reload() // for what happened between Open and now
	w.run(ctx)
	return nil
}

// watch is Run's state; one goroutine owns it.
type watch struct {
	file     *File
	onChange func()
	onError  func(error)

	notify *fsnotify.Watcher // nil where there is none to be had
	names  []string          // those whose events are surely about the files

	rest   *time.Timer // fires when the files have rested; nil while nothing is awaited
	since  time.Time   // when the first event of this rest came
	sure   bool        // an event named one of the files
	failed string      // the error that reload last told, "" after a success
	blind  string      // the same of the watcher
}

func (w *watch) open() {
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		w.onError(fmt.Errorf("passwd: watch %s: %w", w.file.path, err))
		return
	}
	w.aim()
}

func (w *watch) close() {
	if w.notify != nil {
		w.notify.Close()
	}
	if w.rest != nil {
		w.rest.Stop()
	}
}

// aim points the watcher at the directories where the files are now.
func (w *watch) aim() {
	if w.notify == nil {
		return
	}
	names, _ := follow(w.file.path) // what cannot be followed, reload reports
	if w.file.groupsPath != "" {
		more, _ := follow(w.file.groupsPath)
		names = append(names, more...)
	}
	w.names = names
	var dirs []string
	for _, name := range names {
		dirs = append(dirs, filepath.Dir(name))
	}
	for _, dir := range w.notify.WatchList() {
		if !slices.Contains(dirs, dir) {
			w.notify.Remove(dir)
		}
	}
	blind := ""
	for _, dir := range dirs {
		if err := w.notify.Add(dir); err != nil {
			err = fmt.Errorf("passwd: watch %s: %w", dir, err)
			blind = w.tell(err, w.blind)
		}
	}
	w.blind = blind
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(patrol)
	defer tick.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if w.notify != nil {
		events, errs = w.notify.Events, w.notify.Errors
	}
	for {
		var rested <-chan time.Time
		if w.rest != nil {
			rested = w.rest.C
		}
		select {
		case <-ctx.Done():
			return
		case ev := <-events:
			w.await(slices.Contains(w.names, ev.Name))
		case <-errs: // events were lost
			w.await(true)
		case <-tick.C:
			w.aim()
			w.await(w.failed != "")
		case <-rested:
			w.rest = nil
			if w.sure || !w.file.untouched() {
				w.reload()
			}
			w.sure = false
		}
	}
}

// await has the files looked at when nothing has happened for a while.
func (w *watch) await(sure bool) {
	w.sure = w.sure || sure
	now := time.Now()
	switch {
	case w.rest == nil:
		w.since = now
		w.rest = time.NewTimer(quiet)
	case now.Sub(w.since) < quietMax:
		w.rest.Reset(quiet)
	}
}

func (w *watch) reload() {
	changed, err := w.file.Reload()
	w.aim()
	if err != nil {
		w.failed = w.tell(err, w.failed)
		return
	}
	w.failed = ""
	if changed {
		w.onChange()
	}
}

// tell passes an error on unless it is the one told before, and returns its text.
func (w *watch) tell(err error, before string) string {
	text := err.Error()
	if text != before {
		w.onError(err)
	}
	return text
}
