package identity

import (
	"strings"
	"testing"
)

func TestOnlyTheProxyMaySendIdentity(t *testing.T) {
	reserved := []string{
		"X-Auth0-User-Id", "x-auth0-email", "X-AUTH0-ANYTHING", "Shiny-Server-Credentials", "shiny-shared-secret",
		"Remote-User", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-User", "X-Forwarded-Prefix",
		"X-Request-Id", "X-SP-UserId", "x-sp-usergroups", "X-Auth-Request-Email", "Forwarded", "X-Real-IP", "Proxy",
	}
	for _, name := range reserved {
		for _, form := range []string{name, strings.ToUpper(name), strings.ToLower(name), strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", "_", 1)} {
			if !IsReserved([]byte(form)) {
				t.Errorf("a client may send %s", form)
			}
		}
	}
	for _, name := range []string{
		"", "X", "Accept", "Authorization", "X-Auth0", "Shiny", "X-Forwarded", "X-Requested-With", "X-Request-Id2",
		"Proxy-Authorization", "Sec-WebSocket-Key", "X-Speed", "Forwarded2", "Remotely", "Referer",
	} {
		if IsReserved([]byte(name)) {
			t.Errorf("a client may not send %s", name)
		}
	}
	if !IsReserved([]byte("accept_language")) {
		t.Error("a name with an underscore passed")
	}
}

func TestIsReservedAllocatesNothing(t *testing.T) {
	names := [][]byte{[]byte("Accept-Language"), []byte("X-Forwarded-Proto"), []byte("x_y")}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			IsReserved(name)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// FuzzIsReserved: the spelling that R sees decides, not the one on the wire.
func FuzzIsReserved(f *testing.F) {
	for _, s := range []string{"X-Auth0-Email", "x_auth0_email", "Proxy", "Forwarded", "Accept", "X-SP-", "x-request-id"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		// httpuv's own folding, by other means.
		folded := strings.Map(func(r rune) rune {
			if r < 0x80 {
				return []rune(strings.ToLower(string(r)))[0]
			}
			return r
		}, strings.ToValidUTF8(name, "?"))
		want := strings.Contains(folded, "_")
		for _, p := range reservedPrefixes {
			want = want || strings.HasPrefix(folded, p)
		}
		for _, n := range reservedNames {
			want = want || folded == n
		}
		if got := IsReserved([]byte(name)); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	})
}

func BenchmarkIsReserved(b *testing.B) {
	name := []byte("Accept-Language")
	for b.Loop() {
		IsReserved(name)
	}
}
