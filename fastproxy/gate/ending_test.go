package gate

import (
	"context"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
)

func TestAnEndedSessionIsRefusedAlsoFromMemoryAndAfterARestart(t *testing.T) {
	for why, reason := range map[session.Why]string{
		session.WhyLogout:          ReasonEnded,
		session.WhyAdmin:           ReasonEnded,
		session.WhyPasswordChanged: ReasonPasswordChanged,
	} {
		h := build(t)
		s, cookies := h.login(t, kim)
		r := h.withCookies(signedIn, cookies...)
		want(t, h.decide(t, r), Allow, Cookie, "")
		if _, err := h.registry.End(s.ID, s.Expires, why); err != nil {
			t.Fatal(err)
		}
		d, ok := h.Recall(r)
		if !ok {
			t.Fatal("want it recalled")
		}
		want(t, d, SignIn, Cookie, reason)
		h.BumpEpoch() // as if the memory were new
		want(t, h.decide(t, r), SignIn, Cookie, reason)
		want(t, h.decide(t, h.withCookies(public, cookies...)), Allow, Cookie, reason)
	}
}

// held runs f while a Decide is held between proof and memory.
func (h *house) whileHeld(t testing.TB, r *Request, f func()) Decision {
	t.Helper()
	at, on := make(chan struct{}), make(chan struct{})
	h.held = func() {
		close(at)
		<-on
	}
	done := make(chan Decision)
	go func() { done <- h.Decide(context.Background(), r) }()
	<-at
	f()
	close(on)
	d := <-done
	h.held = nil
	h.memos.Wait()
	return d
}

type tunnel struct{}

func (tunnel) End(session.Why)     {}
func (tunnel) ClientBytes() uint64 { return 0 }

func TestASessionThatEndsWhileItIsProvenIsNotLetIn(t *testing.T) {
	h := build(t)
	s, cookies := h.login(t, kim)
	r := h.withCookies(signedIn, cookies...)
	d := h.whileHeld(t, r, func() {
		if _, err := h.registry.End(s.ID, s.Expires, session.WhyLogout); err != nil {
			t.Error(err)
		}
	})
	want(t, d, SignIn, Cookie, ReasonEnded)
	if _, err := h.registry.Bind(h.store.Peek(s.ID), tunnel{}); err == nil {
		t.Error("a tunnel was bound to an ended session")
	}
	if d, ok := h.Recall(r); ok {
		want(t, d, SignIn, Cookie, ReasonEnded)
	}
	want(t, h.Decide(t.Context(), r), SignIn, Cookie, ReasonEnded)
}

func TestATunnelIsNotBoundWhenItsSessionEndsAfterTheDecision(t *testing.T) {
	h := build(t)
	s, cookies := h.login(t, kim)
	d := h.decide(t, h.withCookies(signedIn, cookies...))
	h.registry.End(s.ID, s.Expires, session.WhyLogout)
	if _, err := h.registry.Bind(d.Live, tunnel{}); err == nil {
		t.Error("a tunnel was bound to an ended session")
	}
}

func TestWhatWasProvenBeforeABumpIsNotRemembered(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	for _, r := range []*Request{h.withCookies(signedIn, cookies...), h.withBearer(signedIn, "kims-token")} {
		d := h.whileHeld(t, r, h.BumpEpoch)
		want(t, d, Allow, r2c(r), "")
		if _, ok := h.Recall(r); ok {
			t.Error("recalled what was proven in an older epoch")
		}
		want(t, h.Decide(t.Context(), r), Allow, r2c(r), "")
		h.memos.Wait()
		if _, ok := h.Recall(r); !ok {
			t.Error("not recalled")
		}
		h.BumpEpoch()
		if _, ok := h.Recall(r); ok {
			t.Error("recalled after a bump")
		}
	}
}

func r2c(r *Request) Credential {
	if r.HasBearer {
		return Bearer
	}
	return Cookie
}

// changeLine does what the flat file's watcher does.
func (h *house) changeLine(t testing.TB, user, line string) {
	t.Helper()
	h.mu.Lock()
	if line == "" {
		delete(h.lines, user)
	} else {
		h.lines[user] = line
	}
	h.mu.Unlock()
	h.BumpEpoch()
	if _, err := h.registry.EndWhere(func(i session.Info) bool {
		return i.Key.Method == identity.MethodPasswd && i.Key.Subject == user && i.Line != line
	}, session.WhyPasswordChanged); err != nil {
		t.Error(err)
	}
}

func TestAChangedOrRemovedPasswordLineEndsItsSessions(t *testing.T) {
	for _, line := range []string{"line-2", ""} {
		h := build(t)
		_, seen := h.login(t, sam)
		_, unseen := h.login(t, sam)
		want(t, h.decide(t, h.withCookies(signedIn, seen...)), Allow, Cookie, "")
		h.changeLine(t, "sam", line)
		want(t, h.decide(t, h.withCookies(signedIn, seen...)), SignIn, Cookie, ReasonPasswordChanged)
		want(t, h.decide(t, h.withCookies(signedIn, unseen...)), SignIn, Cookie, ReasonPasswordChanged)

		h.changeLine(t, "sam", "line-3")
		_, again := h.login(t, sam)
		want(t, h.decide(t, h.withCookies(signedIn, again...)), Allow, Cookie, "")
	}
}

func TestChangedGroupsOfTheFlatFileBiteInRunningSessions(t *testing.T) {
	groups := []string{"Admin"}
	h := build(t, func(c *Config) { c.PasswdGroups = func(string) []string { return groups } })
	_, cookies := h.login(t, sam)
	want(t, h.decide(t, h.withCookies(admins, cookies...)), Allow, Cookie, "")
	groups = nil
	h.BumpEpoch()
	want(t, h.decide(t, h.withCookies(admins, cookies...)), Forbid, Cookie, ReasonNotAdmitted)
}

func TestAPasswordLineThatChangesWhileACookieIsProvenBites(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, sam)
	r := h.withCookies(signedIn, cookies...)
	d := h.whileHeld(t, r, func() { h.changeLine(t, "sam", "line-2") })
	want(t, d, SignIn, Cookie, ReasonPasswordChanged)
}

// The line changes just after the gate has read it.
func TestAPasswordLineThatChangesWhileItIsReadBites(t *testing.T) {
	h := build(t)
	read := h.config.PasswdFingerprint
	h.config.PasswdFingerprint = func(user string) (string, bool) {
		line, found := read(user)
		h.changeLine(t, "sam", "line-2")
		return line, found
	}
	_, cookies := h.login(t, sam)
	want(t, h.Decide(t.Context(), h.withCookies(signedIn, cookies...)), SignIn, Cookie, ReasonPasswordChanged)
}

func TestCookiesOfALoginThatIsNoMoreDoNotCount(t *testing.T) {
	h := build(t, func(c *Config) { c.Issuer, c.PasswdFingerprint, c.Bearer = "", nil, nil })
	_, kims := h.login(t, kim)
	_, sams := h.login(t, sam)
	_, nobodys := h.login(t, identity.Principal{Method: identity.MethodOIDC, Subject: "auth0|kim"})
	for _, c := range [][][]byte{kims, sams, nobodys} {
		want(t, h.decide(t, h.withCookies(signedIn, c...)), SignIn, Cookie, ReasonLoginRemoved)
	}
	want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), SignIn, Bearer, ReasonBearerNotAccepted)
}

func TestASessionExpiresAndIdlesOutFromMemoryToo(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(signedIn, cookies...)), Allow, Cookie, "")
	for range 15 { // every use counts
		h.now = h.now.Add(11 * time.Hour)
		want(t, h.decide(t, h.withCookies(signedIn, cookies...)), Allow, Cookie, "")
	}
	h.now = begun.Add(7 * 24 * time.Hour)
	want(t, h.decide(t, h.withCookies(signedIn, cookies...)), SignIn, Cookie, ReasonExpired)

	_, idle := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(signedIn, idle...)), Allow, Cookie, "")
	h.now = h.now.Add(12 * time.Hour)
	want(t, h.decide(t, h.withCookies(signedIn, idle...)), SignIn, Cookie, ReasonIdle)
	h.now = h.now.Add(time.Second)
	want(t, h.decide(t, h.withCookies(signedIn, idle...)), SignIn, Cookie, ReasonIdle)
}

func TestABearerIsVerifiedAgainAfterFiveMinutesOrAtItsEnd(t *testing.T) {
	h := build(t)
	want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), Allow, Bearer, "")
	h.now = begun.Add(5*time.Minute - 1)
	if _, ok := h.Recall(h.withBearer(signedIn, "kims-token")); !ok {
		t.Error("forgotten before five minutes were over")
	}
	h.now = begun.Add(5 * time.Minute)
	if _, ok := h.Recall(h.withBearer(signedIn, "kims-token")); ok {
		t.Error("recalled after five minutes")
	}
	h.now = begun.Add(59 * time.Minute)
	want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), Allow, Bearer, "")
	h.now = begun.Add(time.Hour)
	if _, ok := h.Recall(h.withBearer(signedIn, "kims-token")); ok {
		t.Error("recalled after its end")
	}
}

func TestManyAtOnceDecideTheSame(t *testing.T) {
	h := build(t)
	s, cookies := h.login(t, kim)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1_000_000 {
				r := h.withCookies(signedIn, cookies...)
				d, ok := h.Recall(r)
				if !ok {
					d = h.Decide(context.Background(), r)
				}
				if d.Verdict == SignIn {
					return
				}
				if d.Verdict != Allow || d.Session.ID != s.ID {
					t.Errorf("decided %+v", d)
					return
				}
			}
			t.Error("never refused")
		})
	}
	h.registry.End(s.ID, s.Expires, session.WhyLogout)
	wg.Wait()
}
