package relay

import (
	"io"

	"fastproxy/fastproxy/loop"
)

// spliceFrom is how many bytes of a frame must be to come for them to move by
// splice. BenchmarkBulk found, in five runs on two busy cores, this much CPU
// time of the copy's: frames of 64 KiB 0.95 - 1.03, 128 KiB 0.91 - 1.06,
// 256 KiB 0.88 - 1.06, 1 MiB 0.71 - 0.97. Below it there is nothing to win: the
// copy takes the heads of the frames behind along in the same read. (To copy
// with a buffer of 256 KiB instead of 32 cost 0.98 - 1.26.)
const spliceFrom = 64 << 10

// splices reports whether what comes next moves by splice. A short read says
// that there is not much to move, whatever the frame's length: then a pipe
// would only cost calls.
func (w *way) splices() bool {
	return w.large && w.stage == carrying && w.inspector() == nil && w.scan.payloadLeft() >= w.k.engine.spliceFrom
}

// splice takes a piece of a frame's payload into a pipe, which flush empties.
// Heads never go this way, so the scanner knows where the frame ends.
func (w *way) splice(pipe *loop.Pipe) int {
	n, err := pipe.Fill(int(w.fd), int(min(w.scan.payloadLeft(), 1<<30)))
	if err != nil {
		w.k.loop.ReturnPipe(pipe)
		if err == loop.ErrAgain || err == io.EOF || err == loop.ErrNoSplice {
			return w.readBytes()
		}
		w.unreadable(err) // and asked once more the socket would say io.EOF
		return 0
	}
	w.pipe = pipe
	w.scan.skip(n)
	w.large = n >= w.k.engine.opts.Buffer
	return n
}

// takeBack has what is in the pipe wait in memory, because the sink cannot be
// spliced to. It happens once in a loop's life.
func (w *way) takeBack() error {
	b := make([]byte, w.pipe.Held())
	for at := 0; at < len(b); {
		n, err := w.pipe.Take(b[at:])
		if err != nil {
			return err
		}
		at += n
	}
	w.release()
	w.hold = &hold{rest: b}
	return nil
}
