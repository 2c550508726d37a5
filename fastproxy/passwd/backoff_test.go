package passwd

import (
	"fmt"
	"testing"
	"time"
)

// clock is a Backoff at a time of the test's own.
type clock struct {
	*Backoff
	at time.Time
}

func newClock() *clock {
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	c.Backoff = NewBackoff(func() time.Time { return c.at })
	return c
}

func (c *clock) want(t *testing.T, user, addr string, want time.Duration) {
	t.Helper()
	key := addressKey(addr)
	if got := c.wait(keyOf(key, user), keyOf(key, ""), c.at); got != want {
		t.Errorf("%s from %s: waits %v, want %v", user, addr, got, want)
	}
}

func TestFailuresOfOnePairDoubleItsWait(t *testing.T) {
	c := newClock()
	c.want(t, "kim", "192.0.2.1", 0)
	for _, seconds := range []time.Duration{0, 0, 1, 2, 4, 8, 16, 30, 30} {
		c.Failed("kim", "192.0.2.1:4711")
		c.want(t, "kim", "192.0.2.1", seconds*time.Second)
		c.at = c.at.Add(seconds * time.Second)
		c.want(t, "kim", "192.0.2.1", 0)
	}
	c.at = c.at.Add(pairForget)
	c.Failed("kim", "192.0.2.1")
	c.want(t, "kim", "192.0.2.1", 0)
}

func TestGuessesSideBySideAreNotFree(t *testing.T) {
	c := newClock()
	let := 0
	for range 1000 {
		if c.Delay("kim", "192.0.2.1") == 0 {
			let++
		}
	}
	if let != pairFree {
		t.Errorf("%d of 1000 were let through, want %d", let, pairFree)
	}
	c.want(t, "kim", "192.0.2.1", time.Second)
	for range pairFree {
		c.Failed("kim", "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", time.Second)
	c.at = c.at.Add(time.Second)
	if first, second := c.Delay("kim", "192.0.2.1"), c.Delay("kim", "192.0.2.1"); first != 0 || second != 2*time.Second {
		t.Errorf("found %v, %v", first, second)
	}
	c.Succeeded("kim", "192.0.2.1")
	c.want(t, "kim", "192.0.2.1", 0)
}

func TestATryThatCameToNothingDoesNotCount(t *testing.T) {
	c := newClock()
	for range 10 {
		if c.Delay("kim", "192.0.2.1") != 0 {
			t.Fatal("it counts")
		}
		c.Abandoned("kim", "192.0.2.1")
		c.Abandoned("kim", "192.0.2.1") // once too often is nothing
	}
	if len(c.pairs.at) != 0 {
		t.Error("it is remembered")
	}
	for range pairFree { // a caller that tells no end
		c.Delay("kim", "192.0.2.1")
	}
	c.at = c.at.Add(tryMax + 1)
	c.Delay("kim", "192.0.2.1")
	c.want(t, "kim", "192.0.2.1", 0)
	c.Failed("kim", "192.0.2.1")
	c.Delay("kim", "192.0.2.1")
	c.Abandoned("kim", "192.0.2.1")
	if got := c.pairs.get(keyOf("192.0.2.1", "kim")); got.failed != 1 || got.open != 0 {
		t.Errorf("found %+v", got)
	}
}

func TestSuccessForgetsThePairsFailures(t *testing.T) {
	c := newClock()
	for range 5 {
		c.Failed("kim", "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", 4*time.Second)
	c.Succeeded("kim", "192.0.2.1")
	c.want(t, "kim", "192.0.2.1", 0)
	c.Failed("kim", "192.0.2.1")
	c.want(t, "kim", "192.0.2.1", 0)
}

func TestNobodyLocksAUserOutFromElsewhere(t *testing.T) {
	c := newClock()
	for i := range 5000 {
		c.Failed("kim", fmt.Sprintf("198.51.%d.%d", i/250, i%250))
		c.Failed("kim", "203.0.113.9")
	}
	c.want(t, "kim", "192.0.2.1", 0)
	c.want(t, "kim", "203.0.113.9", addressMax)
}

func TestAnAddressThatTriesManyNamesIsSlowed(t *testing.T) {
	c := newClock()
	for i := range addressFree {
		c.want(t, fmt.Sprint("user", i), "192.0.2.1", 0)
		c.Failed(fmt.Sprint("user", i), "192.0.2.1")
	}
	c.want(t, "fresh", "192.0.2.1", addressLeak)
	c.at = c.at.Add(addressLeak)
	c.want(t, "fresh", "192.0.2.1", 0)
	for range 1000 { // side by side
		c.Failed("other", "192.0.2.1")
	}
	c.want(t, "fresh", "192.0.2.1", addressMax)
	c.at = c.at.Add(addressMax)
	c.want(t, "fresh", "192.0.2.1", 0)
	c.at = c.at.Add(addressSpan)
	for range addressFree - 1 {
		c.Failed("fresh2", "192.0.2.1")
	}
	c.want(t, "fresh", "192.0.2.1", 0)
}

func TestANeighbourCannotKeepOutWhoSignedInThere(t *testing.T) {
	c := newClock()
	c.Succeeded("kim", "192.0.2.1")
	for i := range 100 {
		c.Failed(fmt.Sprint("user", i), "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", 0)
	c.want(t, "sam", "192.0.2.1", addressMax)
	for range 4 { // but guessing kim's own password is slow as ever
		c.Failed("kim", "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", 2*time.Second)
	c.at = c.at.Add(knownFor)
	for i := range 100 {
		c.Failed(fmt.Sprint("user", i), "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", 0)
	c.at = c.at.Add(1)
	c.want(t, "kim", "192.0.2.1", addressMax-1)
}

func TestAnAccountOfOnesOwnDoesNotWipeTheAddress(t *testing.T) {
	c := newClock()
	for i := range addressFree {
		c.Failed(fmt.Sprint("user", i), "192.0.2.1")
		c.Succeeded("mallory", "192.0.2.1")
	}
	c.want(t, "kim", "192.0.2.1", addressLeak)
}

func TestBackoffKeepsABoundedNumberOfEntries(t *testing.T) {
	c := newClock()
	for i := range pairsMax + 1000 {
		addr := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		c.Failed("kim", addr)
		c.Succeeded("sam", addr)
	}
	for name, n := range map[string][3]int{
		"pairs":     {len(c.pairs.at), c.pairs.recent.Len(), pairsMax},
		"addresses": {len(c.addresses.at), c.addresses.recent.Len(), addressesMax},
		"known":     {len(c.known.at), c.known.recent.Len(), knownMax},
	} {
		if n[0] != n[2] || n[1] != n[2] {
			t.Errorf("%s: found %v", name, n)
		}
	}
}

func TestAddressesCountByWhatOneCustomerGets(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":               "192.0.2.1",
		"192.0.2.1:80":            "192.0.2.1",
		"::ffff:192.0.2.1":        "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"[2001:db8:1:2::9]:443":   "2001:db8:1:2::/64",
		"fe80::1%eth0":            "fe80::/64",
		"@":                       "@",
		"":                        "",
		"not an address":          "not an address",
		"2001:db8:1:2::1%x\x00:y": "2001:db8:1:2::/64",
	} {
		if got := addressKey(addr); got != want {
			t.Errorf("%q: found %q, want %q", addr, got, want)
		}
	}
}

func TestBackoffReadsTheClockItself(t *testing.T) {
	b := NewBackoff(nil)
	for range 10 {
		b.Failed("kim", "192.0.2.1")
	}
	if d := b.Delay("kim", "192.0.2.1"); d <= 0 || d > pairMax {
		t.Errorf("waits %v", d)
	}
}
