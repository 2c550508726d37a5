package shiny

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clientFrame is one masked frame.
func clientFrame(fin bool, op byte, payload string) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= 0x80
	}
	switch n := len(payload); {
	case n > 0xFFFF:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case n > 125:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= byte(n)
	}
	mask := [4]byte{0x12, 0xA5, 0x00, 0x7F}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

func message(payload string) []byte { return clientFrame(true, 1, payload) }

// read runs bytes through a reader in pieces of the given sizes (the last one
// repeats) and returns what was opened, how many bytes passed, and the verdict.
func read(kind Kind, robust bool, b []byte, refuse string, sizes ...int) (opened []string, passed int, ok bool) {
	o := NewOpens(kind, robust, func(url []byte) bool {
		opened = append(opened, string(url))
		return refuse == "" || string(url) != refuse
	})
	for i := 0; passed < len(b); i++ {
		n := min(max(sizes[min(i, len(sizes)-1)], 1), len(b)-passed)
		got, ok := o.Frames(b[passed : passed+n])
		passed += got
		if !ok {
			return opened, passed, false
		}
	}
	return opened, passed, true
}

func TestOpensAreFoundInEveryLayer(t *testing.T) {
	fragments := slices.Concat(clientFrame(false, 1, `["F#0|`), clientFrame(true, 9, "ping"), clientFrame(false, 0, ``), clientFrame(true, 0, `o|../finance/"]`))
	for _, c := range []struct {
		name   string
		kind   Kind
		robust bool
		bytes  []byte
		opened []string
		ok     bool
	}{
		{"sockjs", KindSockJSWebSocket, false, message(`["0|o|../finance/"]`), []string{"../finance/"}, true},
		{"robust", KindSockJSWebSocket, true, message(`["0#0|o|"]`), []string{""}, true},
		{"robust hex", KindSockJSWebSocket, true, message(`["1aF#12|o|a/"]`), []string{"a/"}, true},
		{"two strings", KindSockJSWebSocket, true, message(`["0#0|m|{}", "1#1|o|x"]`), []string{"x"}, true},
		{"escapes", KindSockJSWebSocket, false, message(`["0\u007co|\u002e.\/finance\/"]`), []string{"../finance/"}, true},
		{"bare string", KindSockJSWebSocket, false, message(`"0|o|x"`), []string{"x"}, true},
		{"fragments", KindSockJSWebSocket, true, fragments, []string{"../finance/"}, true},
		{"binary", KindSockJSWebSocket, false, clientFrame(true, 2, `["0|o|x"]`), nil, false},
		{"binary, raw", KindSockJSRaw, false, clientFrame(true, 2, `0|o|x`), nil, false},
		{"an array behind a space is one message", KindSockJSWebSocket, false, message(` ["0|o|","0|m|/../../finance/"]`), nil, false},
		{"a string behind a space", KindSockJSWebSocket, false, message("\n\"0|o|x\""), nil, false},
		{"raw", KindSockJSRaw, false, message(`0|o|x`), []string{"x"}, true},
		{"acknowledgements", KindSockJSWebSocket, true, message(`["ACK 1F","CONTINUE 0","AC#0|m|x","C#0|c|{}"]`), nil, true},
		{"data may hold anything", KindSockJSWebSocket, true, message("[\"0#0|m|\\n1|o|../finance/\"]"), nil, true},
		{"empty message", KindSockJSWebSocket, false, message(``), nil, true},
		{"empty array", KindSockJSWebSocket, false, message(`[ ]`), nil, true},
		{"nested array", KindSockJSWebSocket, false, message(`[["0|o|../finance/"]]`), nil, false},
		{"object", KindSockJSWebSocket, false, message(`{"0":"0|o|x"}`), nil, false},
		{"number", KindSockJSWebSocket, false, message(`5`), nil, false},
		{"cut JSON", KindSockJSWebSocket, false, message(`["0|m|x"`), nil, false},
		{"no channel", KindSockJSWebSocket, false, message(`["|o|x"]`), nil, false},
		{"space before the channel", KindSockJSWebSocket, false, message(`[" 0|o|x"]`), nil, false},
		{"unnumbered on robust", KindSockJSWebSocket, true, message(`["0|o|x"]`), nil, false},
		{"numbered on plain", KindSockJSWebSocket, false, message(`["0#0|o|x"]`), nil, false},
		{"unknown method", KindSockJSWebSocket, false, message(`["0|O|x"]`), nil, false},
		{"word cut", KindSockJSWebSocket, true, message(`["ACK "]`), nil, false},
		{"endless url", KindSockJSWebSocket, false, message(`["0|o|` + strings.Repeat("x", maxOpen+1) + `"]`), nil, false},
		{"unmasked", KindSockJSWebSocket, false, []byte{0x81, 2, '[', ']'}, nil, false},
		{"compressed", KindSockJSWebSocket, false, append([]byte{0xC1}, message(`[]`)[1:]...), nil, false},
		{"continuation of nothing", KindSockJSWebSocket, false, clientFrame(true, 0, `[]`), nil, false},
		{"message inside a message", KindSockJSWebSocket, false, append(clientFrame(false, 1, `[`), message(`]`)...), nil, false},
		{"fragmented ping", KindSockJSWebSocket, false, clientFrame(false, 9, ``), nil, false},
	} {
		opened, passed, ok := read(c.kind, c.robust, c.bytes, "", len(c.bytes))
		if !slices.Equal(opened, c.opened) || ok != c.ok || ok && passed != len(c.bytes) {
			t.Errorf("%s: found %q %v (%d of %d passed), want %q %v", c.name, opened, ok, passed, len(c.bytes), c.opened, c.ok)
		}
	}
}

// A refused message must not reach the server whole, however it is cut.
func TestARefusedOpenNeverPassesWhole(t *testing.T) {
	before := slices.Concat(message(`["0#0|m|hello"]`), message(`["1#0|o|fine/"]`))
	bad := slices.Concat(clientFrame(false, 1, `["2#1|o|../fin`), clientFrame(true, 0, `ance/"]`))
	all := slices.Concat(before, bad, message(`["3#0|m|x"]`))
	for size := 1; size <= len(all); size++ {
		opened, passed, ok := read(KindSockJSWebSocket, true, all, "../finance/", size)
		if ok || passed < len(before) || passed >= len(before)+len(bad) || !slices.Equal(opened, []string{"fine/", "../finance/"}) {
			t.Fatalf("pieces of %d: passed %d of %d (refused one at %d..%d), opened %q, ok %v", size, passed, len(all), len(before), len(before)+len(bad), opened, ok)
		}
	}
}

func TestABodyIsReadLikeAMessage(t *testing.T) {
	for body, want := range map[string]bool{
		`["0#0|o|a/"]`: true, `["0#0|o|../finance/"]`: false, `["0#0|m|x"`: false, `[["0#0|o|../finance/"]]`: false,
	} {
		for cut := range len(body) {
			o := NewOpens(KindXHRSend, true, func(url []byte) bool { return string(url) == "a/" })
			got := o.Body([]byte(body[:cut])) && o.Body([]byte(body[cut:])) && o.Whole()
			if got != want {
				t.Errorf("%s cut at %d: found %v, want %v", body, cut, got, want)
			}
		}
	}
}

func TestOpenCommandsResolveAsShinyServerResolvesThem(t *testing.T) {
	const socket = "/reports/__sockjs__/n=abc/000/xyz/websocket"
	for data, want := range map[string]string{
		"":                       "/reports/",
		"../finance/":            "/finance/",
		"../finance":             "/finance",
		"..":                     "/",
		"../../../finance/":      "/finance/",
		"/finance/":              "/reports/finance/", // join, not resolve
		"a//b/./c/":              "/reports/a/b/c/",
		"x?/../../finance/":      "/finance/",
		"../finance/?q=1":        "/finance/",
		"%66inance/":             "/reports/%66inance/",
		"%2e%2e/finance/":        "-",
		"%2E./finance/":          "-",
		".hidden/":               "-",
		"%u0066inance/":          "-",
		`..\finance\`:            "-",
		"x%2f..%2f..%2ffinance/": "-",
		"x%5c..%5cfinance/":      "-",
		"fin%00ance/":            "-",
		"f\u00efnance/":          "-",
		"f%C3%AFnance/":          "-",
		"../finance/#x":          "-",
		"../fin ance/":           "-",
		"%2":                     "-",
		"../__sockjs__/x":        "-",
	} {
		got, ok := ResolveOpen(socket, data)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("open %q: found %s, want %s", data, got, want)
		}
	}
	for _, path := range []string{"/a/websocket/", "/a/__sockjs__/x/__sockjs__/n=1/websocket", "/a\\b/__sockjs__/websocket"} {
		if got, ok := ResolveOpen(path, ""); ok {
			t.Errorf("socket %q: found %s, want a refusal", path, got)
		}
	}
}

var (
	robustLine = regexp.MustCompile(`^[0-9A-Fa-f]{1,16}#(?s:(.*))$`)
	robustWord = regexp.MustCompile(`^(ACK|CONTINUE) [0-9A-Fa-f]{1,16}$`)
	muxLine    = regexp.MustCompile(`^[0-9]{1,16}\|([moc])\|(?s:(.*))$`)
)

// naiveOpens reads one whole message with the standard library: the oracle.
func naiveOpens(payload string, robust bool) (opened []string, ok bool) {
	if payload == "" {
		return nil, true
	}
	if strings.ContainsAny(payload[:1], " \t\r\n") {
		return nil, false
	}
	var list []string
	if json.Unmarshal([]byte(payload), &list) != nil || strings.HasPrefix(strings.TrimLeft(payload, " \t\r\n"), "n") {
		var one string
		if json.Unmarshal([]byte(payload), &one) != nil || strings.HasPrefix(strings.TrimLeft(payload, " \t\r\n"), "n") {
			return nil, false
		}
		list = []string{one}
	}
	var raw []json.RawMessage
	json.Unmarshal([]byte(payload), &raw)
	for _, r := range raw {
		if string(r) == "null" {
			return nil, false // encoding/json makes "" of it
		}
	}
	for _, s := range list {
		if robust {
			if robustWord.MatchString(s) {
				continue
			}
			m := robustLine.FindStringSubmatch(s)
			if m == nil {
				return opened, false
			}
			s = m[1]
		}
		m := muxLine.FindStringSubmatch(s)
		if m == nil || m[1] == "o" && len(m[2]) > maxOpen {
			return opened, false
		}
		if m[1] == "o" {
			opened = append(opened, m[2])
		}
	}
	return opened, true
}

// FuzzOpens holds the reader, fed in arbitrary pieces, against one that sees
// whole messages.
func FuzzOpens(f *testing.F) {
	f.Add(`["0#0|o|../finance/","ACK 1"]`, true, uint8(3), uint8(1))
	f.Add(`["0|m|\u00e9\ud83d\ude00"]`, false, uint8(1), uint8(200))
	f.Add(`"0|o|x"`, false, uint8(5), uint8(2))
	f.Add(`[ ] `, true, uint8(9), uint8(9))
	f.Add(` ["0|o|","0|m|/../../finance/"]`, false, uint8(9), uint8(9))
	f.Add("[\"0|m|\u2028\\r1|o|x\",[\"0|o|y\"]]", false, uint8(9), uint8(9))
	f.Fuzz(func(t *testing.T, payload string, robust bool, fragment, piece uint8) {
		if !json.Valid([]byte(payload)) && strings.ToValidUTF8(payload, "") != payload {
			return
		}
		var b []byte
		op := byte(1)
		for rest := payload; ; {
			n := min(int(fragment)+1, len(rest))
			b = append(b, clientFrame(n == len(rest), op, rest[:n])...)
			if rest, op = rest[n:], 0; rest == "" {
				break
			}
		}
		want, wantOK := naiveOpens(payload, robust)
		got, passed, ok := read(KindSockJSWebSocket, robust, b, "", int(piece)+1)
		if ok != wantOK || ok && !slices.EqualFunc(got, want, func(a, b string) bool { return string([]rune(a)) == b }) {
			t.Fatalf("%q robust %v: found %q %v, want %q %v", payload, robust, got, ok, want, wantOK)
		}
		if ok && passed != len(b) {
			t.Fatalf("%q: passed %d of %d", payload, passed, len(b))
		}
		if ok && strings.ToValidUTF8(payload, "") == payload {
			theirs, _ := serverOpens(payload, robust)
			if !slices.EqualFunc(got, theirs, func(a, b string) bool { return a == b }) {
				t.Fatalf("%q robust %v passes: judged %q, Shiny Server opens %q", payload, robust, got, theirs)
			}
		}
	})
}

func BenchmarkOpensPerKilobyte(b *testing.B) {
	msg := message(fmt.Sprintf(`["1F#0|m|%s"]`, strings.Repeat("x", 1000)))
	o := NewOpens(KindSockJSWebSocket, true, func([]byte) bool { return true })
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := o.Frames(msg); !ok {
			b.Fatal("refused")
		}
	}
}
