package audit

import (
	"bytes"
	"io"
	"os"
	"sync"
)

const outputRoom = 64 << 10 // bytes

// output gathers whole lines for a file that can be opened anew. What cannot
// be written is lost and not tried again: the next lines may find room.
type output struct {
	path string // "" for stdout and tests

	mu   sync.Mutex
	w    io.Writer
	file *os.File // ours to close; nil for stdout and tests
	buf  []byte
	torn bool   // the last write broke off inside a line
	lost uint64 // lines, since flush told of it
}

// add takes one line; it is written with flush, or when there are many.
func (o *output) add(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf)+len(line) > outputRoom {
		o.writeOut()
	}
	o.buf = append(o.buf, line...)
}

// flush writes what was added, and returns how many lines were lost since it
// was last called.
func (o *output) flush() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeOut()
	n := o.lost
	o.lost = 0
	return n
}

func (o *output) writeOut() {
	if len(o.buf) == 0 {
		return
	}
	if o.torn { // keep the half line from spoiling the next
		if _, err := o.w.Write([]byte{'\n'}); err == nil {
			o.torn = false
		}
	}
	n, err := o.w.Write(o.buf)
	if err != nil {
		o.lost += uint64(bytes.Count(o.buf[n:], []byte{'\n'}))
		o.torn = o.torn || n > 0 && o.buf[n-1] != '\n'
	}
	o.buf = o.buf[:0]
}

// reopen opens path anew (mode 0640, appending); without a path it does
// nothing. Lines that were added before go to the old file.
func (o *output) reopen() error {
	if o.path == "" {
		return nil
	}
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeOut()
	if o.file != nil {
		o.file.Close()
	}
	o.file, o.w, o.torn = f, f, false
	return nil
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
