package cache

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	second = int64(1e9)
	start  = 1_700_000_000 * second
	later  = start + 60*second
)

func open(t testing.TB, entries int) *Cache[string] {
	t.Helper()
	c, err := New[string](entries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func wantHit(t *testing.T, c *Cache[string], fp Fingerprint, epoch uint64, now int64, want string) {
	t.Helper()
	if v, ok := c.Get(fp, epoch, now); !ok || v != want {
		t.Errorf("Get = %q, %v, want %q", v, ok, want)
	}
}

func wantMiss(t *testing.T, c *Cache[string], fp Fingerprint, epoch uint64, now int64) {
	t.Helper()
	if v, ok := c.Get(fp, epoch, now); ok || v != "" {
		t.Errorf("Get = %q, %v, want nothing", v, ok)
	}
}

func TestAHitNeedsFingerprintEpochAndTime(t *testing.T) {
	c := open(t, 100)
	fp := FingerprintOf('c', []byte("kim"))
	c.Set(fp, 7, start, later, "kim")
	c.Wait()

	wantHit(t, c, fp, 7, start, "kim")
	wantHit(t, c, fp, 7, later-1, "kim")
	wantMiss(t, c, fp, 7, later)
	wantMiss(t, c, fp, 6, start)
	wantMiss(t, c, fp, 8, start)
	wantMiss(t, c, FingerprintOf('b', []byte("kim")), 7, start)
}

// Whoever could make two credentials of one 64-bit hash must not become the
// other.
func TestEqualHashesOfDifferentFingerprintsAreNeverMixedUp(t *testing.T) {
	c := open(t, 100)
	kim := FingerprintOf('c', []byte("kim"))
	sam := kim
	sam[31] ^= 1
	if kim.key() != sam.key() {
		t.Fatal("want the same 64-bit key")
	}
	c.Set(kim, 1, start, later, "kim")
	c.Wait()
	wantMiss(t, c, sam, 1, start)

	c.Set(sam, 1, start, later, "sam")
	c.Wait()
	wantHit(t, c, sam, 1, start, "sam")
	wantMiss(t, c, kim, 1, start)
}

// ristretto keeps the first of two Sets of a new key. The second, of a newer
// epoch, is then lost: a miss, never the old value.
func TestWhenTheFirstSetWinsTheOldEpochStaysDead(t *testing.T) {
	c := open(t, 20_000)
	for i := range uint64(10_000) {
		fp := FingerprintOf('c', binary.BigEndian.AppendUint64(nil, i))
		c.Set(fp, 1, start, later, "old")
		c.Set(fp, 2, start, later, "new")
	}
	c.Wait()
	lost := 0
	for i := range uint64(10_000) {
		fp := FingerprintOf('c', binary.BigEndian.AppendUint64(nil, i))
		v, ok := c.Get(fp, 2, start)
		if ok && v != "new" {
			t.Fatalf("found %q in epoch 2", v)
		}
		if !ok {
			lost++
		}
		c.Set(fp, 2, start, later, "new")
		wantHit(t, c, fp, 2, start, "new") // what is there already changes at once
	}
	t.Logf("%d of 10000 second Sets were lost", lost)
}

func TestAFloodOfSetsLosesSomeAndMixesNone(t *testing.T) {
	c := open(t, 1000)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25_000 {
				name := string(binary.BigEndian.AppendUint32(nil, uint32(g<<24|i)))
				fp := FingerprintOf('c', []byte(name))
				c.Set(fp, 1, start, later, name)
				if v, ok := c.Get(fp, 1, start); ok && v != name {
					t.Errorf("found %x, want %x", v, name)
				}
			}
		})
	}
	wg.Wait()
	c.Wait()
	s := c.Stats()
	if s.Sets+s.Dropped != 100_000 {
		t.Errorf("%d Sets and %d dropped, want 100000 together", s.Sets, s.Dropped)
	}
	if kept := s.Sets - s.Rejected - s.Evicted; kept > 1000 {
		t.Errorf("%d kept, want at most 1000", kept)
	}
}

func TestAnEntryWhoseTimeHasPassedIsNotKept(t *testing.T) {
	c := open(t, 100)
	fp := FingerprintOf('c', []byte("kim"))
	c.Set(fp, 1, later, start, "kim")
	c.Set(fp, 1, start, start, "kim")
	c.Wait()
	wantMiss(t, c, fp, 1, start-1)
	if s := c.Stats(); s.Sets != 0 {
		t.Errorf("%d Sets, want none", s.Sets)
	}
}

func TestAfterCloseNothingIsFoundAndNothingBreaks(t *testing.T) {
	c, err := New[string](10)
	if err != nil {
		t.Fatal(err)
	}
	fp := FingerprintOf('c', []byte("kim"))
	c.Set(fp, 1, start, later, "kim")
	c.Wait()
	c.Close()
	c.Close()
	c.Set(fp, 1, start, later, "kim")
	c.Wait()
	wantMiss(t, c, fp, 1, start)
}

func TestNewRefusesImpossibleSizes(t *testing.T) {
	for _, n := range []int{-1, 0, 16<<20 + 1} {
		if _, err := New[string](n); err == nil {
			t.Errorf("New(%d): want an error", n)
		}
	}
}

func TestFingerprintsTellPartsAndKindsApart(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	all := []Fingerprint{
		FingerprintOf(1),
		FingerprintOf(1, nil),
		FingerprintOf(1, nil, nil),
		FingerprintOf(1, b("abc")),
		FingerprintOf(2, b("abc")),
		FingerprintOf(1, b("ab"), b("c")),
		FingerprintOf(1, b("a"), b("bc")),
		FingerprintOf(1, b("abc"), nil),
		FingerprintOf(1, nil, b("abc")),
	}
	seen := map[Fingerprint]int{}
	for i, fp := range all {
		if j, ok := seen[fp]; ok {
			t.Errorf("fingerprints %d and %d are equal", i, j)
		}
		seen[fp] = i
	}
	if FingerprintOf(1, b("abc")) != all[3] {
		t.Error("equal parts, different fingerprints")
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	c := open(t, 100)
	var cookies [4][]byte
	for i := range cookies {
		cookies[i] = bytes.Repeat([]byte{'x'}, 3000)
	}
	fp := FingerprintOf('c', cookies[:]...)
	c.Set(fp, 1, start, later, "kim")
	c.Wait()
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := c.Get(FingerprintOf('c', cookies[:]...), 1, start); !ok {
			t.Fatal("lost")
		}
	}); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}

func BenchmarkFingerprintOf(b *testing.B) {
	part := make([]byte, 553)
	b.ReportAllocs()
	for b.Loop() {
		runtime.KeepAlive(FingerprintOf('c', part))
	}
}

func BenchmarkGet(b *testing.B) {
	c := open(b, 100)
	fp := FingerprintOf('c', []byte("kim"))
	c.Set(fp, 1, start, later, "kim")
	c.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(fp, 1, start); !ok {
			b.Fatal("lost")
		}
	}
}
