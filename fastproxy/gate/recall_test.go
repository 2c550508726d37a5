package gate

import (
	"fmt"
	"testing"

	"fastproxy/fastproxy/identity"
)

// crowded is kim in so many groups that the cookie is split.
func crowded() identity.Principal {
	p := kim
	for i := range 400 {
		p.Groups = append(p.Groups, fmt.Sprintf("%x/%d", i*7919*7919, i*104729))
	}
	return p
}

func recalled(t testing.TB, h *house, r *Request) {
	t.Helper()
	want(t, h.Decide(t.Context(), r), Allow, r2c(r), "")
	h.memos.Wait()
	if _, ok := h.Recall(r); !ok {
		t.Fatal("not recalled")
	}
}

func TestRecallAllocatesNothing(t *testing.T) {
	h := build(t)
	_, one := h.login(t, kim)
	_, many := h.login(t, crowded())
	if len(many) < 2 {
		t.Fatalf("found %d cookies, want several", len(many))
	}
	for name, r := range map[string]*Request{
		"cookie":       h.withCookies(admins, one...),
		"many cookies": h.withCookies(admins, many...),
		"bearer":       h.withBearer(admins, "kims-token"),
	} {
		recalled(t, h, r)
		if n := testing.AllocsPerRun(1000, func() {
			if d, ok := h.Recall(r); !ok || d.Verdict != Allow {
				t.Fatal("not recalled")
			}
		}); n != 0 {
			t.Errorf("%s: allocates %v times", name, n)
		}
	}
	bad := h.withCookies(admins, []byte("x"))
	nothing := h.withCookies(public)
	missing := h.withCookies(admins, []byte("1xyz"))
	if n := testing.AllocsPerRun(1000, func() {
		h.Recall(bad)
		h.Recall(nothing)
		h.Recall(missing)
	}); n != 0 {
		t.Errorf("without a good credential: allocates %v times", n)
	}
}

func BenchmarkRecallCookie(b *testing.B) {
	h := build(b)
	_, cookies := h.login(b, kim)
	benchmarkRecall(b, h, h.withCookies(admins, cookies...))
}

func BenchmarkRecallManyCookies(b *testing.B) {
	h := build(b)
	_, cookies := h.login(b, crowded())
	benchmarkRecall(b, h, h.withCookies(admins, cookies...))
}

func BenchmarkRecallBearer(b *testing.B) {
	h := build(b)
	benchmarkRecall(b, h, h.withBearer(admins, "kims-token"))
}

func benchmarkRecall(b *testing.B, h *house, r *Request) {
	recalled(b, h, r)
	b.ReportAllocs()
	for b.Loop() {
		if d, ok := h.Recall(r); !ok || d.Verdict != Allow {
			b.Fatal("not recalled")
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	h := build(b)
	_, cookies := h.login(b, kim)
	_, many := h.login(b, crowded())
	for name, r := range map[string]*Request{
		"cookie":       h.withCookies(admins, cookies...),
		"many cookies": h.withCookies(admins, many...),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := h.Decide(b.Context(), r); d.Verdict != Allow {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}
