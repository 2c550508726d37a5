package fastproxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http/httputil"
	"strings"
	"testing"
)

// unchunked reads data as a chunked body in pieces that cut makes.
func unchunked(data []byte, cut func(left int) int) (payload []byte, size int, done bool, err error) {
	var c chunks
	for size < len(data) && !c.done() {
		piece := data[size : size+cut(len(data)-size)]
		for len(piece) > 0 && !c.done() {
			n, p, err := c.next(piece)
			if err != nil {
				return payload, size, false, err
			}
			if n == 0 || len(p) > n || len(p) > 0 && &p[len(p)-1] != &piece[n-1] {
				panic("next does not go on, or its payload is not the end of what it read")
			}
			payload = append(payload, p...)
			piece = piece[n:]
			size += n
		}
	}
	return payload, size, c.done(), nil
}

func whole(left int) int { return left }
func single(int) int     { return 1 }

func TestChunksAreReadStrictly(t *testing.T) {
	for _, c := range []struct {
		body    string
		payload string
		ok      bool
	}{
		{"0\r\n\r\n", "", true},
		{"5\r\nhello\r\n0\r\n\r\n", "hello", true},
		{"00005\r\nhello\r\n000\r\n\r\n", "hello", true},
		{"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", true},
		{"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", true},
		{"5;a=\"\tx y\"\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", "hello", true},
		{"7fffffffffffffff\r\nhello", "hello", true}, // and never done
		{"8000000000000000\r\nhello", "", false},
		{"00000000000000005\r\nhello\r\n0\r\n\r\n", "", false},
		{"5\nhello\r\n0\r\n\r\n", "", false},
		{"5\r\nhello\n0\r\n\r\n", "hello", false},
		{"5\r\nhello0\r\n\r\n", "hello", false},
		{"5\r\nhello\r\n0\n\n", "hello", false},
		{"5\r\nhello\r\n0\r\n\n", "hello", false},
		{"5\r\nhello\r\n0\r\nA: b\n\r\n", "hello", false},
		{"\r\n5\r\nhello\r\n0\r\n\r\n", "", false},
		{" 5\r\nhello\r\n0\r\n\r\n", "", false},
		{"5 \r\nhello\r\n0\r\n\r\n", "", false},
		{"0x5\r\nhello\r\n0\r\n\r\n", "", false},
		{"+5\r\nhello\r\n0\r\n\r\n", "", false},
		{"-5\r\nhello\r\n0\r\n\r\n", "", false},
		{"5_0\r\nhello\r\n0\r\n\r\n", "", false},
		{"5,5\r\nhello\r\n0\r\n\r\n", "", false},
		{";a\r\nhello\r\n0\r\n\r\n", "", false},
		{"5;a\x00\r\nhello\r\n0\r\n\r\n", "", false},
		{"5;a\rb\r\nhello\r\n0\r\n\r\n", "", false},
		{"5;" + strings.Repeat("a", 2000) + "\r\nhello\r\n0\r\n\r\n", "", false},
		{"0\r\n folded: x\r\n\r\n", "", false},
		{"0\r\nA: \x7f\r\n\r\n", "", false},
		{"0\r\n" + strings.Repeat("A: b\r\n", 2000) + "\r\n", "", false},
	} {
		for name, cut := range map[string]func(int) int{"whole": whole, "single": single} {
			payload, size, done, err := unchunked([]byte(c.body), cut)
			if (err == nil) != c.ok || string(payload) != c.payload {
				t.Errorf("%.40q, %s: payload %q and %v", c.body, name, payload, err)
			}
			if ended := strings.HasSuffix(c.body, "\r\n\r\n"); c.ok && (done != ended || size != len(c.body)) {
				t.Errorf("%.40q, %s: %d bytes, done %v", c.body, name, size, done)
			}
		}
	}
}

// FuzzChunks compares with the standard library's reader: what is accepted
// here means the same there, and what that refuses is refused here. However
// the bytes are cut, the verdict is the same.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nGET", "5\nhello\n0\n\n", "5 \r\nhello\r\n0\r\n\r\n",
		"fffffffffffffffff\r\n", "3\r\nabc\r\n0\r\n\r\n", "0\r\n\r\n", "1\r\na\r\n1\r\nb\r\n"} {
		f.Add([]byte(s), uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		payload, size, done, err := unchunked(data, whole)
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 3 {
			p2, size2, done2, err2 := unchunked(data, func(left int) int { return 1 + rng.IntN(left) })
			if done != done2 || (err == nil) != (err2 == nil) || !bytes.Equal(payload, p2) || err == nil && size != size2 {
				t.Fatalf("cut: payload %q, %d bytes, %v, %v; whole: %q, %d bytes, %v, %v", p2, size2, done2, err2, payload, size, done, err)
			}
		}
		std, stdErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(data)))
		if done && (stdErr != nil || !bytes.Equal(std, payload)) {
			if stdErr != nil && strings.Contains(stdErr.Error(), "too much non-data") {
				return // its own limit on tiny chunks
			}
			t.Fatalf("accepted with payload %q; the standard library reads %q and %v", payload, std, stdErr)
		}
		if !bytes.HasPrefix(payload, std) && !bytes.HasPrefix(std, payload) {
			t.Fatalf("payload %q; the standard library reads %q", payload, std)
		}
	})
}

func TestRechunkedBodiesReadTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const room = 18
	for range 500 {
		var wire, want []byte
		for pieces := rng.IntN(5); pieces >= 0; pieces-- {
			buf := make([]byte, copyBuffer)
			n := rng.IntN(1 << rng.IntN(16))
			n = min(n, copyBuffer-2*room)
			for i := range n {
				buf[room+i] = byte(rng.Uint32())
			}
			want = append(want, buf[room:room+n]...)
			wire = append(wire, rechunk(buf, room, n, pieces == 0)...)
		}
		payload, size, done, err := unchunked(wire, whole)
		if err != nil || !done || size != len(wire) || !bytes.Equal(payload, want) {
			t.Fatalf("%d bytes became %d: done %v, %v", len(want), len(payload), done, err)
		}
	}
}
