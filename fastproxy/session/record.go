package session

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// record is one line of the journal: a session's ending, or, with why "", its
// last activity. As text: "E", id, expires, at, why, CRC-32 of what is before,
// or "A" and "-" for why; single spaces between.
type record struct {
	id      ID
	expires int64 // unix seconds; after it the record means nothing
	at      int64 // unix seconds: when it ended or was last active
	why     Why
}

const (
	journalHead    = "fastproxy sessions "
	journalVersion = "1"
	lineMax        = 160
	whyMax         = 32
)

// appendTo appends the line, with its end.
func (r record) appendTo(dst []byte) []byte {
	start := len(dst)
	kind, why := byte('E'), r.why
	if why == "" {
		kind, why = 'A', "-"
	} else if !isWord(string(why)) {
		why = whyOther // a line must stay a line
	}
	dst = append(dst, kind, ' ')
	dst = hex.AppendEncode(dst, r.id[:])
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.expires, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.at, 10)
	dst = append(dst, ' ')
	dst = append(dst, why...)
	sum := crc32.ChecksumIEEE(dst[start:])
	return fmt.Appendf(dst, " %08x\n", sum)
}

// parseRecord reads a line without its end.
func parseRecord(line []byte) (r record, err error) {
	cut := bytes.LastIndexByte(line, ' ')
	if cut < 0 {
		return record{}, errors.New("found no record")
	}
	if sum := fmt.Appendf(nil, "%08x", crc32.ChecksumIEEE(line[:cut])); !bytes.Equal(sum, line[cut+1:]) {
		return record{}, errors.New("found another checksum")
	}
	f := bytes.Split(line[:cut], []byte(" "))
	if len(f) != 5 {
		return record{}, fmt.Errorf("found %d fields, want 6", len(f)+1)
	}
	if r.id, err = ParseID(string(f[1])); err != nil {
		return record{}, err
	}
	if r.expires, err = strconv.ParseInt(string(f[2]), 10, 64); err != nil {
		return record{}, errors.New("found no time of expiry")
	}
	if r.at, err = strconv.ParseInt(string(f[3]), 10, 64); err != nil || r.at > lastSecond || r.at < 0 {
		return record{}, errors.New("found no time")
	}
	switch why := string(f[4]); {
	case string(f[0]) == "A" && why == "-":
	case string(f[0]) == "E" && isWord(why):
		r.why = Why(why)
	default:
		return record{}, errors.New("found an unknown kind of record")
	}
	return r, nil
}

func isWord(s string) bool {
	if s == "" || len(s) > whyMax {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}
