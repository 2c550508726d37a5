package session

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const (
	journalFile = "sessions.journal"
	lockFile    = "sessions.lock"

	// compactMin is under which size a journal is left alone. 10,000 people
	// who come and go write some 700 KB a day.
	compactMin = 1 << 20
)

// journal is a file of records that only grows, until what still matters is
// written anew in its place. It is safe for use by many goroutines.
type journal struct {
	path    string
	lock    *os.File
	onError func(error)
	// state yields every record that matters. Whoever commits a record has
	// changed the state before.
	state func(yield func(record))

	mu   sync.Mutex
	next *batch // guarded by mu

	disk   sync.Mutex // held while writing; taken before mu
	file   *os.File   // guarded by disk; nil after close
	size   int64      // guarded by disk, in bytes
	base   int64      // guarded by disk: size when it was last written anew
	broken bool       // guarded by disk: what is in the file is not known
}

// batch is what several callers have written together.
type batch struct {
	lines []byte // guarded by journal.mu, until taken
	sync  bool   // likewise
	done  bool   // guarded by journal.disk
	err   error  // likewise
}

// openJournal takes the lock on dir, gives every record of the journal there
// to load, and writes the journal anew. The directory is made with mode 0700.
func openJournal(dir string, load func(record), state func(yield func(record)), onError func(error)) (*journal, error) {
	if err := makeStateDir(dir); err != nil {
		return nil, err
	}
	lock, err := lockState(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	j := &journal{
		path:    filepath.Join(dir, journalFile),
		lock:    lock,
		onError: onError,
		state:   state,
		next:    &batch{},
	}
	if err = j.load(load); err == nil {
		err = j.rewrite()
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return j, nil
}

// commit writes lines, which must already be part of the state. With sync they
// are on disk when it returns nil. Callers at the same time share one write
// and one fsync.
func (j *journal) commit(lines []byte, sync bool) error {
	j.mu.Lock()
	b := j.next
	b.lines = append(b.lines, lines...)
	b.sync = b.sync || sync
	j.mu.Unlock()

	j.disk.Lock()
	defer j.disk.Unlock()
	if b.done {
		return b.err
	}
	j.mu.Lock()
	j.next = &batch{} // nobody else takes b: they would need disk
	j.mu.Unlock()
	b.done, b.err = true, j.write(b.lines, b.sync)
	return b.err
}

// write is called with disk held. A write or fsync that failed leaves behind
// what nobody knows (half a line, pages dropped by the kernel), so the whole
// state is written anew, now or at the next try.
func (j *journal) write(lines []byte, sync bool) error {
	if j.file == nil {
		return errors.New("session: write journal: closed")
	}
	if !j.broken {
		n, err := j.file.Write(lines)
		j.size += int64(n)
		if err == nil && sync {
			err = j.file.Sync()
		}
		if err == nil {
			return nil
		}
		j.broken = true
		j.onError(fmt.Errorf("session: write journal: %w", err))
	}
	return j.rewrite()
}

// compact writes the journal anew if it is broken or has become long.
func (j *journal) compact() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if j.file == nil || !j.broken && (j.size < compactMin || j.size < 4*j.base) {
		return nil
	}
	return j.rewrite()
}

// rewrite puts a new file with the whole state in the old one's place; where it
// fails before that, the old one stays as good as it was. It is called with
// disk held, or before anybody else knows j.
func (j *journal) rewrite() (err error) {
	tmp := j.path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("session: write journal: %w", err)
	}
	size, err := j.writeState(f)
	if err == nil {
		err = f.Chmod(0o600) // where an older file was left
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("session: write journal: %w", err)
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.size, j.base = f, size, size
	// Until the directory is on disk too, a power cut may bring back the old
	// file, which gets no more records.
	if err := syncDir(filepath.Dir(j.path)); err != nil {
		j.broken = true
		return fmt.Errorf("session: write journal: %w", err)
	}
	j.broken = false
	return nil
}

func (j *journal) writeState(f *os.File) (size int64, err error) {
	w := bufio.NewWriterSize(f, 64<<10)
	n, _ := w.WriteString(journalHead + journalVersion + "\n")
	size = int64(n)
	var line []byte
	j.state(func(r record) {
		line = r.appendTo(line[:0])
		n, _ := w.Write(line) // Flush returns the first error
		size += int64(n)
	})
	return size, w.Flush()
}

// close releases file and lock.
func (j *journal) close() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if j.file == nil {
		return nil
	}
	err := errors.Join(j.file.Close(), j.lock.Close())
	j.file = nil
	return err
}

// load reads the journal, if there is one. A last line without its end is what
// was being written when the process died; other lines that make no sense are
// reported and skipped.
func (j *journal) load(keep func(record)) error {
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("session: read journal: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, lineMax)
	bad := 0
	for number := 1; ; number++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("session: read journal: %w", err)
		}
		if number == 1 && bytes.HasPrefix(line, []byte(journalHead)) {
			if v := string(line[len(journalHead):]); v != journalVersion {
				return fmt.Errorf("session: read journal: %s:1: found version %q, want %q", j.path, v, journalVersion)
			}
			continue
		}
		r, err := parseRecord(line)
		if err == nil {
			keep(r)
			continue
		}
		if bad++; bad <= 10 {
			j.onError(fmt.Errorf("session: read journal: %s:%d: skip line: %w", j.path, number, err))
		}
	}
	if bad > 10 {
		j.onError(fmt.Errorf("session: read journal: %s: skipped %d lines in all", j.path, bad))
	}
	return nil
}

// readLine returns the next line without its end, of a longer one than any
// record its first bytes; io.EOF at the end and for a line that has none.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	line = bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return line, err
}
