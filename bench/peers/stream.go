package main

import (
	"bytes"
	"encoding/binary"

	"fastproxy/fastproxy/loop"
)

// stream says one message of 1 MiB again and again, until it hears a Close
// frame; then it answers that, behind the message under way.
type stream struct {
	at   int  // of the message, that are sent
	last bool // the message under way
}

// goodbye is a Close frame with code 1000.
var goodbye = []byte{0x88, 2, 0x03, 0xe8}

// message is a binary frame; it is everybody's.
var message = func() []byte {
	const size = 1 << 20
	head := binary.BigEndian.AppendUint64([]byte{0x82, 127}, size)
	return append(head, bytes.Repeat([]byte("shiny"), size/5+1)[:size]...)
}()

// talkBudget is how much one connection says before the others have a turn.
const talkBudget = 4 << 20

// talk writes as much as there is room for. It ends v, but does not close it.
func (v *visit) talk(key loop.Key) {
	s := v.stream
	for said := 0; said < talkBudget && !v.ending; {
		if s.last && s.at == 0 {
			v.ending = true
			v.send(key, goodbye)
			return
		}
		n, err := loop.Write(v.loop.FD(key), message[s.at:])
		switch {
		case err == loop.ErrAgain:
			return
		case err != nil:
			v.ending = true
			return
		}
		said += n
		s.at = (s.at + n) % len(message)
	}
	if !v.ending {
		v.loop.Again(key, loop.Writable)
	}
}
