package bench

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
)

func (m *messages) hello(c *conn) []byte {
	cl := m.client
	m.out = append(m.out[:0], "GET "...)
	m.out = append(m.out, cl.site.target(cl.random)...)
	m.out = append(m.out, " HTTP/1.1\r\nHost: "+cl.site.host+
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	m.out = append(m.out, m.key(c)...)
	m.out = append(m.out, "\r\n"+cl.site.header+"\r\n"...)
	return m.out
}

// key is the one of c's handshake. It is made anew to check the answer, so
// that c need not keep it.
func (m *messages) key(c *conn) string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], m.seed^uint64(c.began))
	binary.LittleEndian.PutUint64(raw[8:], m.seed+uint64(c.id)<<20)
	return base64.StdEncoding.EncodeToString(raw[:])
}

// acceptOf is what a server answers to a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (m *messages) readUpgrade(c *conn, b []byte) (used int, err error) {
	h, used, err := readResponseHead(b)
	switch {
	case used == 0 || err != nil:
		return 0, err
	case h.status != 101:
		return 0, h.unwanted("the upgrade", 101)
	case !h.upgrade || string(h.accept) != acceptOf(m.key(c)):
		return 0, faultf("protocol", "the 101 does not answer this handshake: Upgrade or Sec-WebSocket-Accept is wrong")
	}
	return used, nil
}
