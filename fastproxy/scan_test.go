package fastproxy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"fastproxy/fastproxy/policy"
)

// chromeHead is what a browser sends for a page of Shiny's.
const chromeHead = "GET /reports/app/?_inputs_&n=200 HTTP/1.1\r\n" +
	"Host: shiny.example.org\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: de,en;q=0.9\r\n" +
	"Cookie: fastproxy_session=1c2hvcnQ; theme=dark\r\n\r\n"

func scanned(t testing.TB, raw string) *head {
	t.Helper()
	h := new(head)
	if err := scan([]byte(raw), h); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return h
}

func TestScanReadsWhatBrowsersSend(t *testing.T) {
	h := scanned(t, chromeHead)
	if string(h.method) != "GET" || string(h.target) != "/reports/app/?_inputs_&n=200" || string(h.host) != "shiny.example.org" ||
		string(h.path()) != "/reports/app/" || string(h.query()) != "_inputs_&n=200" || h.minor != 1 || len(h.lines) != 14 ||
		h.hasBody() || h.close || h.upgrade || h.expect || h.connNames {
		t.Errorf("%+v", h)
	}
	if l := h.lines[5]; string(l.name) != "Upgrade-Insecure-Requests" || string(l.value) != "1" || l.field != fieldOrdinary {
		t.Errorf("%s: %s (%d)", l.name, l.value, l.field)
	}
}

func TestScanAcceptsWhatIsUnusualButClear(t *testing.T) {
	for raw, holds := range map[string]func(h *head) bool{
		"GET / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\n\r\n":                                  func(h *head) bool { return h.close && !h.expect },
		"GET http://H:80/x?y HTTP/1.1\r\nHost: h:80\r\n\r\n":                                         func(h *head) bool { return string(h.target) == "/x?y" },
		"GET HTTPS://h/ HTTP/1.1\r\nHost: h\r\n\r\n":                                                 func(h *head) bool { return string(h.target) == "/" },
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n":                                                      func(h *head) bool { return string(h.target) == "*" },
		"M-SEARCH / HTTP/1.1\r\nHost: h\r\n\r\n":                                                     func(h *head) bool { return string(h.method) == "M-SEARCH" && !h.safe() },
		"GET / HTTP/1.1\r\nHost:h\r\nX:\r\nY: \t a\tb \t\r\n\r\n":                                    func(h *head) bool { return string(h.lines[2].value) == "a\tb" && h.lines[1].value != nil },
		"GET / HTTP/1.1\r\nhOsT: [2001:db8::1]:8080\r\n\r\n":                                         func(h *head) bool { return string(h.host) == "[2001:db8::1]:8080" },
		"GET / HTTP/1.1\r\nHost: a_b.c-d\r\n\r\n":                                                    func(h *head) bool { return true },
		"POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 007\r\n\r\n":                                  func(h *head) bool { return h.contentLength == 7 && h.hasBody() },
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n":                                    func(h *head) bool { return h.contentLength == 0 && !h.hasBody() },
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tChunked \r\n\r\n":                         func(h *head) bool { return h.chunked && h.contentLength == -1 },
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n":            func(h *head) bool { return h.expect },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-A ,CLOSE\r\n\r\n":                    func(h *head) bool { return h.close && h.connNames && h.named([]byte("x-a")) && !h.named([]byte("x-b")) },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n": func(h *head) bool { return h.upgrade && !h.connNames && h.options == 2 },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n":          func(h *head) bool { return !h.upgrade },
		"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n":            func(h *head) bool { return !h.upgrade },
		"GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n":             func(h *head) bool { return !h.upgrade },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n":                   func(h *head) bool { return !h.upgrade && !h.connNames },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n":        func(h *head) bool { return !h.upgrade },
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n": func(h *head) bool {
			return !h.upgrade // two of them: not ours to choose
		},
	} {
		if h := scanned(t, raw); !holds(h) {
			t.Errorf("%q: %+v", raw, h)
		}
	}
}

func TestScanForgetsTheHeadBefore(t *testing.T) {
	h := scanned(t, "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, X-A, upgrade\r\n\r\n")
	if err := scan([]byte("GET / HTTP/1.1\r\nHost: b\r\n\r\n"), h); err != nil {
		t.Fatal(err)
	}
	if h.contentLength != -1 || h.close || h.connNames || h.connUpgrade || h.options != 0 || len(h.lines) != 1 || h.minor != 1 || string(h.host) != "b" {
		t.Errorf("%+v", h)
	}
}

func TestScanErrorsSayWhyAndHoldNothingOfTheHead(t *testing.T) {
	for raw, want := range map[string]*scanError{
		"GET / HTTP/1.1\r\nHost: h\r\nX: 5up3r5ecret\n\r\n":                                                   errBareLF,
		"GET /5up3r5ecret HTTP/1.1 \r\nHost: h\r\n\r\n":                                                       errRequestLine,
		"get /5up3r5ecret HTTP/1.1\r\nHost: h\r\n\r\n":                                                        errMethod,
		"TRACE /5up3r5ecret HTTP/1.1\r\nHost: h\r\n\r\n":                                                      errMethodRefused,
		"GET /5up3r5ecret HTTP/2.0\r\nHost: h\r\n\r\n":                                                        errVersion,
		"GET / HTTP/1.1\r\nHost: h\r\nX: 5up3r5ecret\x00\r\n\r\n":                                             errControl,
		"GET / HTTP/1.1\r\nHost: h\r\n5up3r 5ecret: x\r\n\r\n":                                                errName,
		"GET / HTTP/1.1\r\nHost: h\r\n 5up3r5ecret\r\n\r\n":                                                   errFold,
		"GET / HTTP/1.1\r\nHost: h\r\nHost: 5up3r5ecret\r\n\r\n":                                              errHost,
		"GET / HTTP/1.1\r\nHost: 5up3r5ecret@h\r\n\r\n":                                                       errHostValue,
		"GET http://5up3r5ecret/ HTTP/1.1\r\nHost: h\r\n\r\n":                                                 errAbsolute,
		"GET 5up3r5ecret HTTP/1.1\r\nHost: h\r\n\r\n":                                                         errTarget,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5up3r5ecret\r\n\r\n":                                    errLength,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n":                         errLengths,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":                errLengthAndTE,
		"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: 5up3r5ecret\r\n\r\n":                                 errTE,
		"GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n":                                     errTE10,
		"GET / HTTP/1.1\r\nHost: h\r\nTrailer: 5up3r5ecret\r\n\r\n":                                           errTrailer,
		"GET / HTTP/1.1\r\nHost: h\r\nExpect: 5up3r5ecret\r\n\r\n":                                            errExpect,
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: " + strings.Repeat("a,", 16) + "\r\n\r\n":                   errOptions,
		"GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 100) + "\r\n":                            errTooManyLines,
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n": errUpgradeBody,
	} {
		err := scan([]byte(raw), new(head))
		if err != want || strings.Contains(err.Error(), "5up3r") {
			t.Errorf("%q: %v, want %v", raw, err, want)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	h := new(head)
	for _, raw := range []string{
		chromeHead,
		"GET / HTTP/1.1\r\nHost: shiny.example.org:8443\r\nConnection: upgrade, X-A\r\nUpgrade: websocket\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nService-Worker-Allowed: /\r\nA-Very-Long-Header-Name-That-Nobody-Knows: x\r\n\r\n",
		"GET http://h/ HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n",
	} {
		b := []byte(raw)
		scan(b, h)
		if n := testing.AllocsPerRun(100, func() { scan(b, h) }); n != 0 {
			t.Errorf("%.40q: %g allocations", raw, n)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	raw, h := []byte(chromeHead), new(head)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if scan(raw, h) != nil {
			b.Fatal("refused")
		}
	}
}

// FuzzScan: what scan accepts, with a target that the table accepts, two other
// parsers read as the same request.
func FuzzScan(f *testing.F) {
	f.Add([]byte(chromeHead))
	for _, v := range singleVectors() {
		if i := strings.Index(v.raw, "\r\n\r\n"); i >= 0 {
			f.Add([]byte(v.raw[:i+4]))
		}
	}
	table, err := policy.NewTable([]policy.Mount{{Path: "/"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, _ := findHeadEnd(raw, 0); n > 0 {
			raw = raw[:n]
		}
		h := new(head)
		if scan(raw, h) != nil || len(raw) > maxHeadBytes { // longer ones conn refuses
			return
		}
		if _, err := table.Judge(h.target); err != nil && string(h.target) != "*" {
			return
		}
		asNetHTTPReads(t, raw, h)
		asFasthttpReads(t, raw, h)
	})
}

func asNetHTTPReads(t *testing.T, raw []byte, h *head) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatalf("%.300q: net/http: %v", raw, err)
	}
	if r.Method != string(h.method) || !strings.EqualFold(r.Host, string(h.host)) || r.ProtoMinor != int(h.minor) {
		t.Errorf("%.300q: net/http: %s %s %s", raw, r.Method, r.Host, r.Proto)
	}
	if chunked := len(r.TransferEncoding) > 0; chunked != h.chunked || !chunked && r.ContentLength != max(h.contentLength, 0) {
		t.Errorf("%.300q: net/http: %v, %d bytes", raw, r.TransferEncoding, r.ContentLength)
	}
	if r.Close && !h.close {
		t.Errorf("%.300q: net/http would close", raw)
	}
	mine := make(http.Header)
	for _, l := range h.lines {
		if l.field != fieldHost && l.field != fieldTransferEncoding {
			key := textproto.CanonicalMIMEHeaderKey(string(l.name))
			mine[key] = append(mine[key], string(l.value))
		}
	}
	if mine.Get("Pragma") == "no-cache" {
		mine.Del("Cache-Control") // net/http adds one
		r.Header.Del("Cache-Control")
	}
	for key, values := range r.Header {
		if strings.Join(values, "\n") != strings.Join(mine[key], "\n") {
			t.Errorf("%.300q: net/http: %s: %q, scan %q", raw, key, values, mine[key])
		}
	}
	if len(mine) != len(r.Header) {
		t.Errorf("%.300q: net/http has %d names, scan %d", raw, len(r.Header), len(mine))
	}
}

func asFasthttpReads(t *testing.T, raw []byte, h *head) {
	t.Helper()
	var rh fasthttp.RequestHeader
	if err := rh.Read(bufio.NewReaderSize(bytes.NewReader(raw), maxHeadBytes)); err != nil {
		t.Fatalf("%.300q: fasthttp: %v", raw, err)
	}
	if string(rh.Method()) != string(h.method) || !strings.EqualFold(string(rh.Host()), string(h.host)) ||
		!bytes.HasSuffix(rh.RequestURI(), h.target) {
		t.Errorf("%.300q: fasthttp: %s %s %s", raw, rh.Method(), rh.RequestURI(), rh.Host())
	}
	if n := rh.ContentLength(); (n == -1) != h.chunked || n >= 0 && int64(n) != max(h.contentLength, 0) {
		t.Errorf("%.300q: fasthttp: length %d, scan %d, chunked %v", raw, n, h.contentLength, h.chunked)
	}
	for _, l := range h.lines {
		values := 0
		for _, o := range h.lines {
			if sameFold(o.name, l.name) {
				values++
			}
		}
		// Cookies it writes anew, framing was compared, of two lines it may keep one.
		if values > 1 || l.field == fieldCookie || l.field.hopByHop() {
			continue
		}
		if got := rh.Peek(string(l.name)); string(got) != string(l.value) {
			t.Errorf("%.300q: fasthttp: %s: %q, scan %q", raw, l.name, got, l.value)
		}
	}
}

func TestControlBytesAreFoundWhereverTheyStand(t *testing.T) {
	for length := range 40 {
		for at := range length {
			for c := range 256 {
				b := bytes.Repeat([]byte{"a\t\x80\xff ~"[(length+c)%6]}, length)
				b[at] = byte(c)
				want := c < ' ' && c != '\t' || c == 0x7f
				if got := hasControl(b); got != want {
					t.Fatalf("%q: %v, want %v", b, got, want)
				}
			}
		}
	}
}
