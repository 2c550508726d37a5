package fastproxy

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// FuzzAnswer reads whole answers however their bytes are cut. One that is
// accepted to its end means to net/http what it means here, in both framings
// that a client may get; the verdict depends on no cut.
func FuzzAnswer(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a.shiny), uint64(1), a.request == "HEAD /reports/")
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		n, serr := findHeadEnd(data, 0)
		var a answerHead
		if serr != nil || n == 0 || scanAnswer(data[:n], &a) != nil || a.status < 200 {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 5))
		raw, rawOK := readFramed(rng, &a, method, 1, data[n:])
		plain, plainOK := readFramed(rng, &a, method, 0, data[n:])
		if rawOK != plainOK {
			t.Fatalf("%q: whole %v as it is, %v unchunked", data, rawOK, plainOK)
		}
		if !rawOK {
			return
		}
		for name, bytesRead := range map[string][]byte{"from Shiny": data, "to the client": append(data[:n:n], raw...)} {
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(bytesRead)), &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q %s: net/http: %v", bytesRead, name, err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil && strings.Contains(err.Error(), "too much non-data") {
				return // its own limit on tiny chunks
			}
			if trailer := err != nil && a.chunked; !bytes.Equal(body, plain) || err != nil && !trailer {
				t.Fatalf("%q %s: body %q, net/http reads %q and %v", bytesRead, name, plain, body, err)
			}
		}
	})
}

// readFramed gives the bytes of an answer's body that a client gets, and
// whether the answer came to its end.
func readFramed(rng *rand.Rand, a *answerHead, method string, minor byte, data []byte) (got []byte, ok bool) {
	f := newFraming(&head{method: []byte(method), minor: minor}, a)
	for len(data) > 0 && !f.ended() {
		n := 1 + rng.IntN(len(data))
		b, err := f.take(append([]byte(nil), data[:n]...))
		if err != nil {
			return got, false
		}
		got = append(got, b...)
		data = data[n:]
	}
	return got, f.ended() || f.untilClose()
}
