//go:build linux

package fastproxy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/passwd"
)

// hashed is a line of the flat file at a cost of 2^logN.
func hashed(user, password string, logN uint8) string {
	return user + ":" + passwd.NewHash([]byte(password), logN).Encode() + "\n"
}

// withPasswd besieges a proxy with these lines in its flat file.
func withPasswd(t testing.TB, bin binaries, lines ...string) *siege {
	t.Helper()
	g := newSiege(t, bin)
	file := filepath.Join(g.dir, "passwd")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	g.begin(settings{"AUTH_PASSWD_FILE": file}, "")
	return g
}

// guess posts the form as the browser of somebody at addr.
func (b *guest) guess(token, addr, user, password string) (*http.Response, string) {
	b.t.Helper()
	fields := url.Values{"token": {token}, "user": {user}, "password": {password}, "return_to": {"/reports/"}}
	return b.ask("POST", "/.fastproxy/password", with(ownPost, "X-Forwarded-For", addr), fields.Encode())
}

// address is the i-th of an attacker's many.
func address(i int) string { return fmt.Sprintf("198.51.%d.%d", i/250, 1+i%250) }

// processorTime is what the process has used so far.
func (p *proxy) processorTime(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the 3rd field comes first
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on every Linux that Go knows
}

// unknownUsers weighs guesses by the processor time that the process used,
// which a busy machine does not change.
func (w *assault) unknownUsers(t *testing.T) {
	g := withPasswd(t, w.shipped(), hashed("kim", kimPassword, 14), hashed("sam", samPassword, 14))
	b := g.guest()
	token := b.form()
	tries := 0
	cost := func(times int, user, password string) (time.Duration, string) {
		t.Helper()
		began := g.processorTime(t)
		page := ""
		for range times {
			tries++
			res, body := b.guess(token, address(tries), user, password)
			if res.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%.20q gets %s, want 422", user, res.Status)
			}
			page = body
		}
		return (g.processorTime(t) - began) / time.Duration(times), page
	}
	known, knownPage := cost(8, "kim", "wrong")
	if known < 20*time.Millisecond {
		t.Fatalf("a wrong password costs %v, so this measures nothing", known)
	}
	for _, user := range []string{"nobody", "", "KIM", "kim ", "kim\x00", "passwd:kim", "kim:x", "../kim", strings.Repeat("k", 8000), "kím", "#", "\r\nkim"} {
		unknown, page := cost(4, user, "wrong")
		t.Logf("%.20q: %v, a known one %v", user, unknown, known)
		if unknown > 2*known || known > 2*unknown {
			t.Errorf("%.20q costs %v, a known user %v", user, unknown, known)
		}
		if got, want := differing(page, knownPage); got != want {
			t.Errorf("%.20q reads %q where a known user reads %q", user, got, want)
		}
	}
	for _, user := range []string{"kim", "nobody"} {
		for _, long := range []int{1025, 12000} {
			if d, _ := cost(4, user, strings.Repeat("p", long)); d > known/3 {
				t.Errorf("%s: a password of %d bytes costs %v, want next to nothing", user, long, d)
			}
		}
		if d, _ := cost(4, user, ""); d > known/3 {
			t.Errorf("%s: an empty password costs %v, want next to nothing", user, d)
		}
	}
	if res, _ := b.guess(token, "203.0.113.1", "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
		t.Errorf("kim gets %s", res.Status)
	}
}

var (
	fresh    = regexp.MustCompile(`name="token" value="[^"]*"|[0-9a-f]{32}`)
	whatUser = regexp.MustCompile(`(?s)<input[^>]* name="user"[^>]*>| autofocus`) // what was typed, and where to go on
)

// differing gives the first line in which two pages differ, but for what is
// new each time and what was typed.
func differing(a, b string) (string, string) {
	plain := func(page string) []string {
		return strings.Split(whatUser.ReplaceAllString(fresh.ReplaceAllString(page, ""), ""), "\n")
	}
	x, y := plain(a), plain(b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i], y[i]
		}
	}
	return fmt.Sprint(len(x), " lines"), fmt.Sprint(len(y), " lines")
}

// guessers try passwords from one address and from many.
func (w *assault) guessers(t *testing.T) {
	g := withPasswd(t, w.bin, hashed("kim", kimPassword, 10), hashed("sam", samPassword, 10))
	b := g.guest()
	token := b.form()
	refused := func(res *http.Response) bool {
		t.Helper()
		if res.StatusCode != http.StatusTooManyRequests {
			return false
		}
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
			t.Errorf("429 with Retry-After %q, want 1 to 60 seconds", res.Header.Get("Retry-After"))
		}
		return true
	}
	const evil, here, elsewhere = "203.0.113.66", "203.0.113.1", "203.0.113.2"
	// Known from before.
	if res, _ := b.guess(token, evil, "sam", samPassword); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sam gets %s", res.Status)
	}
	// One user, one address.
	waits := 0
	for range 20 {
		if res, _ := b.guess(token, evil, "kim", "wrong"); refused(res) {
			waits++
		}
	}
	if waits < 15 {
		t.Errorf("20 guesses at kim in a row, and %d had to wait", waits)
	}
	// Even the right password waits there, or waiting would not slow guessing.
	if res, _ := b.guess(token, evil, "kim", kimPassword); !refused(res) {
		t.Errorf("the right password among many wrong ones gets %s", res.Status)
	}
	for _, addr := range []string{here, elsewhere, "2001:db8::1"} {
		if res, _ := b.guess(token, addr, "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
			t.Errorf("kim, at %s, gets %s: somebody at %s locked her out", addr, res.Status, evil)
		}
	}
	// Many users, one address: a spray.
	waits = 0
	for i := range 60 {
		if res, _ := b.guess(token, evil, fmt.Sprint("user", i), "wrong"); refused(res) {
			waits++
		}
	}
	if waits < 20 {
		t.Errorf("60 names sprayed from one address, and %d had to wait", waits)
	}
	if res, _ := b.guess(token, evil, "sam", samPassword); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sam, who signed in from there before, gets %s: a neighbour locked sam out", res.Status)
	}
	// Many addresses of one /64 are one; an attacker cannot add an address in front.
	waits = 0
	for i := range 20 {
		if res, _ := b.guess(token, fmt.Sprintf("2001:db8:1:2:%x::%x", i, i), "kim", "wrong"); refused(res) {
			waits++
		}
	}
	if waits < 15 {
		t.Errorf("20 guesses from one /64, and %d had to wait", waits)
	}
	waits = 0
	for i := range 20 {
		if res, _ := b.guess(token, fmt.Sprintf("192.0.2.%d, 203.0.113.77", i), "kim", "wrong"); refused(res) {
			waits++
		}
	}
	if waits < 15 {
		t.Errorf("20 guesses with invented addresses in front, and %d had to wait", waits)
	}
	// Many addresses, one user: each has its own tries, and she has hers.
	for i := range 100 {
		b.guess(token, address(i), "kim", "wrong")
	}
	if res, _ := b.guess(token, here, "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
		t.Errorf("kim gets %s: many strangers locked her out", res.Status)
	}
}

// scrypt asks for more checks at once than the machine could bear.
func (w *assault) scrypt(t *testing.T) {
	const logN, each = 15, 32 << 20 // bytes
	g := withPasswd(t, w.shipped(), hashed("kim", kimPassword, logN))
	b := g.guest()
	token := b.form()
	kim := g.guest()
	if res, _ := kim.guess(kim.form(), "203.0.113.9", "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("kim gets %s", res.Status)
	}
	h := honest{g: g, cookie: kim.cookies(), stop: make(chan struct{})}
	h.run(2)

	flood := 100
	if testing.Short() {
		flood = 80
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := map[int]int{}
	for i := range flood {
		all.Go(func() {
			// Its own client: the jar is not needed, the form's cookie is.
			res, _ := b.guess(token, "203.0.113.66", fmt.Sprint("user", i), "wrong")
			if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			mu.Lock()
			answered[res.StatusCode]++
			mu.Unlock()
		})
	}
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	c := g.guest()
	if res, _ := c.guess(c.form(), "203.0.113.1", "kim", kimPassword); res.StatusCode != http.StatusSeeOther {
		t.Errorf("meanwhile kim, at another address, gets %s", res.Status)
	}
	turn := time.Since(began)
	all.Wait()
	close(h.stop)
	h.done.Wait()
	for _, fault := range h.faults {
		t.Error(fault)
	}
	peak := g.peakMemory(t)
	t.Logf("%d guesses of %d MiB at once: %v; kim had her turn after %v; %d MiB at most; %d honest requests",
		flood, each>>20, answered, turn.Round(time.Millisecond), peak>>20, len(h.took))
	if peak > 640<<20 {
		t.Errorf("%d MiB at most, want 512 and what the rest needs", peak>>20)
	}
	if answered[http.StatusTooManyRequests] < flood-64-8 || answered[http.StatusUnprocessableEntity]+answered[http.StatusTooManyRequests] != flood {
		t.Errorf("answers %v, want 429 for all but 64 and those that ran", answered)
	}
}

// peakMemory is the most resident memory that the process ever had, in bytes.
func (p *proxy) peakMemory(t testing.TB) int {
	t.Helper()
	return p.statusField(t, "VmHWM:")
}

// dearLines are refused when the file is read, at the start and later.
func (w *assault) dearLines(t *testing.T) {
	line := func(logN, r, p byte) string {
		text := hashed("dear", "x", 10)
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text[strings.Index(text, "}")+1:]))
		if err != nil {
			t.Fatal(err)
		}
		raw[7], raw[11], raw[15] = logN, r, p
		sum := sha256.Sum256(raw[:48])
		copy(raw[48:64], sum[:16])
		return "dear:{scrypt}" + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	lines := map[string]string{
		"512 MiB": line(19, 8, 1), "256 MiB sixteen times": line(18, 8, 16), "8 GiB by r": line(20, 64, 1), "r of 255": line(10, 255, 1),
		"p of 255": line(10, 8, 255), "N of 2^63": line(63, 8, 1), "N of 2^0": line(0, 8, 1), "r of 0": line(10, 0, 1), "p of 0": line(10, 8, 0),
	}
	for name, dear := range lines {
		g := newSiege(t, w.bin)
		file := filepath.Join(g.dir, "passwd")
		if err := os.WriteFile(file, []byte("# people\n"+dear), 0o600); err != nil {
			t.Fatal(err)
		}
		g.prepare(settings{"AUTH_PASSWD_FILE": file}, "")
		g.run(t)
		select {
		case <-g.done:
		case <-time.After(patience):
			t.Fatalf("%s: it serves", name)
		}
		said := g.log.String()
		if g.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(said, "passwd:2") || strings.Contains(said, strings.TrimSpace(dear[13:])) {
			t.Errorf("%s: it ends with %v and says\n%s", name, g.err, said)
		}
	}
	g := withPasswd(t, w.bin, hashed("kim", kimPassword, 10))
	file := filepath.Join(g.dir, "passwd")
	for name, dear := range lines {
		before := strings.Count(g.log.String(), "last good one stays")
		if err := os.WriteFile(file, []byte(hashed("kim", "another", 10)+dear), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the broken file to be noticed: "+name, func() error {
			if strings.Count(g.log.String(), "last good one stays") == before {
				return fmt.Errorf("not yet in the log")
			}
			return nil
		})
	}
	g.signedIn("kim", kimPassword)
}
