//go:build linux

package fastproxy_test

import (
	"sync"
	"testing"
)

// TestAttack attacks the running binary over real sockets, and in a real
// Chromium, as a stranger, a signed-in colleague, an issuer or an app that
// means ill. With -short it is brief, and without the browser.
func TestAttack(t *testing.T) {
	w := &assault{bin: build(t), t: t}
	w.all([]attack{
		{sentence: "UnknownUsersCostWhatKnownOnesCost", alone: true, run: w.unknownUsers},
		{sentence: "ScryptIsBounded", alone: true, run: w.scrypt},
		{sentence: "FloodsCostLittleAndEndSoon", alone: true, run: w.floods},
		{sentence: "BadKeySetsLetNobodyInAndNobodyOut", long: true, run: w.keySets},
		{sentence: "ASlowIssuerHoldsFewAndNotForLong", long: true, run: w.slowIssuer},
		{sentence: "AnIssuerThatAnswersBadlyLetsNobodyIn", long: true, run: w.endpoints},
		{sentence: "MadeUpKeyIDsAreNoticedByNobody", run: w.madeUpKeys},
		{sentence: "KeysAreRotatedInEveryWay", run: w.rotation},
		{sentence: "EveryFaultyTokenBehindThePocketAuth0", run: func(t *testing.T) { w.tokens(t, startPocketLiar) }},
		{sentence: "EveryFaultyTokenBehindNpmsOidcProvider", long: true, run: func(t *testing.T) { w.tokens(t, startNpmLiar) }},
		{sentence: "NoAddressLeadsElsewhere", run: w.redirects},
		{sentence: "OnlyAClickSendsAForm", run: w.forms},
		{sentence: "OnlyAClickSignsOut", run: w.logouts},
		{sentence: "ACallbackBelongsToOneBrowser", run: w.callbacks},
		{sentence: "ASessionIsItsOwnersOrNobodys", run: w.cookies},
		{sentence: "OnHttpsNoSiblingPlantsACookie", run: w.securely},
		{sentence: "ASessionCannotBePrepared", run: w.fixation},
		{sentence: "ManyCookiesDoNoHarm", run: w.bombs},
		{sentence: "NoOtherSiteReachesAnRSession", run: w.origins},
		{sentence: "ATextStaysAText", run: w.scripts},
		{sentence: "AnotherSiteCanDoNothing", long: true, run: w.otherSite},
		{sentence: "ASiblingByPlainHttpCanDoNothing", long: true, run: w.siblingSite},
		{sentence: "ASiblingPlantsCookiesInVain", long: true, run: w.planted},
		{sentence: "ATextStaysATextInChromium", long: true, run: w.onScreen},
		{sentence: "NoAddressLeadsElsewhereInChromium", long: true, run: w.inTheBar},
		{sentence: "AHostileAppLearnsWhoIsThereAndNoMore", long: true, run: w.hostile},
		{sentence: "AHostileAppBesideOurPagesIsNotTheirWorker", long: true, run: w.rootApp},
		{sentence: "StateIsNobodyElses", run: w.state},
		{sentence: "GuessersWaitAndNobodyIsLockedOut", run: w.guessers},
		{sentence: "DearPasswordLinesAreRefused", run: w.dearLines},
	})
}

type attack struct {
	sentence string
	long     bool // not with -short
	alone    bool // measures: nothing beside it
	run      func(*testing.T)
}

// all runs the attacks, four at a time: most of them wait for something, so
// t.Parallel, which counts processors, would be slow.
func (w *assault) all(attacks []attack) {
	var beside sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, a := range attacks {
		run := func() {
			w.t.Run(a.sentence, func(t *testing.T) {
				if a.long && testing.Short() {
					t.Skip("not with -short")
				}
				a.run(t)
			})
		}
		if a.alone {
			run()
			continue
		}
		slots <- struct{}{}
		beside.Go(func() {
			defer func() { <-slots }()
			run()
		})
	}
	beside.Wait()
}

// assault is what the attacks share: the built programs, and one Chromium.
type assault struct {
	t      *testing.T // of the whole, which outlives each attack
	bin    binaries
	once   sync.Once
	plain  binaries
	screen sync.Once
	tabs   *browser
}

// shipped is fastproxy as it is shipped, without the race detector, whose
// memory and time would be all that a measurement sees.
func (w *assault) shipped() binaries {
	w.once.Do(func() { w.plain = buildPlain(w.t) })
	return w.plain
}
