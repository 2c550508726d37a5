package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func withKid(kid string) string { return sign(`{"alg":"ES256","kid":"`+kid+`"}`, claims(nil), ecKey()) }

// guess is what a stranger can make: the signature is never looked at.
func guess(kid string) string {
	return zeroSignature(`{"alg":"ES256","kid":"`+kid+`"}`, claims(nil), 64)
}

func TestARotatedKeyIsFetchedOnceForEverybody(t *testing.T) {
	s := newKeyServer(t, goodSet())
	k := startReady(t, Config{URL: s.URL})
	before := s.fetches.Load()
	s.publish(jwkSet(jwk("e1", ecKey(), nil), jwk("new", otherEC(), nil)))
	token := sign(`{"alg":"ES256","kid":"new"}`, claims(nil), otherEC())
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, _, err := k.Verify(context.Background(), token, expect); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.fetches.Load() - before; n != 1 {
		t.Errorf("found %d fetches, want 1", n)
	}
	if _, err := k.VerifySignature(t.Context(), sign(headRS, claims(nil), rsaKey())); !errors.Is(err, ErrInvalid) {
		t.Errorf("a key that is no longer published: found %v, want ErrInvalid", err)
	}
}

func TestAKeyReplacedUnderItsKidIsNoticedAtTheNextRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet()}
		withdrawn := 0
		c := b.config()
		c.OnWithdrawn = func() { withdrawn++ }
		k := startReady(t, c)
		b.set(func() {
			b.document = jwkSet(jwk("more", rsaKey(), nil), jwk("e1", ecKey(), nil), jwk("r1", rsaKey(), nil))
		})
		time.Sleep(refreshEvery + time.Second)
		synctest.Wait()
		if withdrawn != 0 {
			t.Error("a key that was added counts as withdrawn")
		}
		b.set(func() {
			b.document = jwkSet(jwk("r1", rsaKey(), nil), jwk("e1", otherEC(), nil), jwk("more", rsaKey(), nil))
		})
		time.Sleep(refreshEvery + time.Second)
		synctest.Wait()
		if withdrawn != 1 {
			t.Errorf("withdrawn was told %d times, want once", withdrawn)
		}
		if _, err := k.VerifySignature(t.Context(), sign(headES, claims(nil), otherEC())); err != nil {
			t.Errorf("the new key: %v", err)
		}
		if _, err := k.VerifySignature(t.Context(), sign(headES, claims(nil), ecKey())); !errors.Is(err, ErrInvalid) {
			t.Errorf("the old key: found %v, want ErrInvalid", err)
		}
	})
}

func TestASignInNoticesAtOnceThatAKeyWasReplacedUnderItsKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet()}
		k := startReady(t, b.config())
		b.set(func() { b.document = jwkSet(jwk("r1", otherRSA(), nil), jwk("e1", ecKey(), nil)) })
		// A stranger causes no fetch by that: anybody can sign with anything.
		if _, _, err := k.Verify(t.Context(), sign(headRS, claims(nil), otherRSA()), expect); !errors.Is(err, ErrInvalid) {
			t.Errorf("a stranger's token by the new key: found %v, want ErrInvalid", err)
		}
		if n := len(b.times()); n != 1 {
			t.Errorf("found %d fetches, want 1", n)
		}
		if _, err := k.VerifySignature(t.Context(), sign(headRS, claims(nil), otherRSA())); err != nil {
			t.Errorf("the new key: %v", err)
		}
		for range 30 {
			if _, err := k.VerifySignature(t.Context(), sign(headRS, claims(nil), rsaKey())); !errors.Is(err, ErrInvalid) {
				t.Errorf("the old key: found %v, want ErrInvalid", err)
			}
		}
		wantAtMostTenAMinute(t, b.times())
	})
}

func TestAFloodOfUnknownKeyIDsStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet(), delay: 200 * time.Millisecond}
		k := startReady(t, b.config())
		ctx, cancel := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for i := range 100 {
			flood.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, _, err := k.Verify(ctx, guess(fmt.Sprint(i, "-", n)), expect)
					if err == nil {
						t.Error("a guess was accepted")
					}
					time.Sleep(500 * time.Millisecond)
				}
			})
		}
		time.Sleep(20 * time.Second)
		b.set(func() { b.document = jwkSet(jwk("new", otherEC(), nil)) })
		honest := sign(`{"alg":"ES256","kid":"new"}`, claims(nil), otherEC())
		rotated := time.Now()
		if _, err := k.VerifySignature(ctx, honest); err != nil {
			t.Errorf("a login after a rotation: %v", err)
		}
		if d := time.Since(rotated); d > time.Second {
			t.Errorf("a login after a rotation took %v, want one fetch", d)
		}
		if _, _, err := k.Verify(ctx, honest, expect); err != nil {
			t.Errorf("a bearer after a rotation: %v", err)
		}
		b.set(func() { b.document = jwkSet(jwk("newer", ecKey(), nil)) })
		rotated = time.Now()
		for {
			_, _, err := k.Verify(ctx, withKid("newer"), expect)
			if err == nil {
				break
			}
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("a bearer after a second rotation: found %v, want at worst ErrUnavailable", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(rotated); d > strangersEvery+time.Second {
			t.Errorf("a bearer after a second rotation took %v", d)
		}
		time.Sleep(time.Minute)
		cancel()
		flood.Wait()
		wantAtMostTenAMinute(t, b.times())
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.missing.until) > maxMissing {
			t.Errorf("found %d remembered key ids, want at most %d", len(k.missing.until), maxMissing)
		}
	})
}

func TestASlowIssuerHoldsFewCallersAndNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet()}
		k := startReady(t, b.config())
		b.set(func() { b.delay = time.Hour })
		var wg sync.WaitGroup
		var unavailable, atOnce atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				began := time.Now()
				_, _, err := k.Verify(context.Background(), guess(fmt.Sprint(i)), expect)
				if errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrInvalid) {
					unavailable.Add(1)
				}
				if d := time.Since(began); d == 0 {
					atOnce.Add(1)
				} else if d > patience {
					t.Errorf("a caller waited %v", d)
				}
			})
		}
		wg.Wait()
		if unavailable.Load() != 1000 || atOnce.Load() != 1000-waitersMax {
			t.Errorf("found %d unavailable, %d of them at once; want 1000 and %d", unavailable.Load(), atOnce.Load(), 1000-waitersMax)
		}
		if _, _, err := k.Verify(context.Background(), sign(headRS, claims(nil), rsaKey()), expect); err != nil {
			t.Errorf("a known key meanwhile: %v", err)
		}
	})
}

func TestACallerGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet()}
		k := startReady(t, b.config())
		b.set(func() { b.delay = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := k.VerifySignature(ctx, withKid("unknown"))
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("found %v after %v", err, time.Since(began))
		}
	})
}

func TestOneStaleClientCausesAFetchEveryHalfMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet()}
		k := startReady(t, b.config())
		before := len(b.times())
		for range 100 {
			if _, _, err := k.Verify(t.Context(), withKid("gone"), expect); !errors.Is(err, ErrInvalid) {
				t.Errorf("found %v, want ErrInvalid", err)
			}
			time.Sleep(900 * time.Millisecond)
		}
		if n := len(b.times()) - before; n != 3 {
			t.Errorf("found %d fetches in 90 s, want 3", n)
		}
	})
}

func TestRememberedKeyIDsAreBounded(t *testing.T) {
	var m missing
	now := time.Now()
	for i := range 3 * maxMissing {
		m.add(fmt.Sprint("old-", i), now)
		if !m.has(fmt.Sprint("old-", i), now) || len(m.until) > maxMissing {
			t.Fatalf("after %d: found %d remembered, or not the last", i, len(m.until))
		}
	}
	later := now.Add(missingFor)
	m.add("new", later)
	m.add("newer", later)
	if !m.has("new", later) || !m.has("newer", later) || m.has("old-0", later) || len(m.until) > maxMissing {
		t.Error("forgot the wrong ones")
	}
}

func TestKeysAreThereSoonAfterTheIssuerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{document: goodSet(), fail: true}
		var heard []error
		c := b.config()
		c.OnError = func(err error) { heard = append(heard, err) }
		k := start(t, c)
		time.Sleep(150 * time.Second)
		var gaps []time.Duration
		asked := b.times()
		for i := range asked[1:] {
			gaps = append(gaps, asked[i+1].Sub(asked[i]))
		}
		want := []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9}
		if fmt.Sprint(gaps) != fmt.Sprint(want) {
			t.Errorf("found gaps %v, want %v", gaps, want)
		}
		synctest.Wait()
		if k.Ready() || k.LastError() == nil || len(heard) != len(asked) {
			t.Errorf("ready %v, last error %v, %d errors heard of %d", k.Ready(), k.LastError(), len(heard), len(asked))
		}
		b.set(func() { b.fail = false })
		// A login does not wait for the schedule.
		if _, err := k.VerifySignature(t.Context(), sign(headES, claims(nil), ecKey())); err != nil {
			t.Errorf("first login: %v", err)
		}
		if !k.Ready() || k.LastError() != nil {
			t.Errorf("ready %v, last error %v", k.Ready(), k.LastError())
		}
		time.Sleep(time.Hour + time.Second)
		if n := len(b.times()) - len(asked); n != 7 {
			t.Errorf("found %d fetches in the hour after, want 7", n)
		}
	})
}

func TestWithoutRunTokensAreUnavailableNotInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{URL: "https://issuer.example/jwks.json"})
		began := time.Now()
		_, err := k.VerifySignature(t.Context(), sign(headES, claims(nil), ecKey()))
		if !errors.Is(err, ErrUnavailable) || time.Since(began) != patience {
			t.Errorf("found %v after %v", err, time.Since(began))
		}
	})
}

func TestTheAddressIsAskedForBeforeEveryFetch(t *testing.T) {
	s := newKeyServer(t, goodSet())
	var asked atomic.Int64
	heard := make(chan error, 10)
	k := start(t, Config{OnError: func(err error) { heard <- err }, Resolve: func(ctx context.Context) (string, error) {
		if asked.Add(1) == 1 {
			return "", errors.New("not discovered yet")
		}
		return s.URL, nil
	}})
	if err := <-heard; !strings.Contains(err.Error(), "not discovered yet") {
		t.Errorf("found %v", err)
	}
	if _, err := k.VerifySignature(t.Context(), sign(headES, claims(nil), ecKey())); err != nil {
		t.Error(err)
	}
}
