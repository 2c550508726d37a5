package fastproxy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"fastproxy/fastproxy/secret"
)

const shortestSecret = 16 // characters

// CookieSecret returns the passphrase that the sealing key is derived from.
// An empty Text means that a random key in StateDir serves instead; why is
// then the reason, for a loud warning.
func (s *Settings) CookieSecret() (passphrase secret.Text, why string) {
	return usable("COOKIE_SECRET", s.Session.CookieSecret)
}

// CookieSecretPrevious does the same for COOKIE_SECRET_PREVIOUS; not set, why
// is "" too. A previous secret that strangers know would let them make
// sessions just as the current one would.
func (s *Settings) CookieSecretPrevious() (passphrase secret.Text, why string) {
	if s.Session.CookieSecretPrevious.IsZero() {
		return secret.Text{}, ""
	}
	return usable("COOKIE_SECRET_PREVIOUS", s.Session.CookieSecretPrevious)
}

func usable(name string, t secret.Text) (secret.Text, string) {
	switch text := t.Reveal(); {
	case text == "":
		return secret.Text{}, name + " is not set"
	case utf8.RuneCountInString(text) < shortestSecret:
		return secret.Text{}, name + " has fewer than 16 characters"
	case isPublished(text):
		return secret.Text{}, name + " is a sample out of public documentation, known to everybody"
	}
	return t, ""
}

// isPublished reports whether a secret is one of the samples that people
// leave in: those of the original proxies' READMEs and articles first, then
// those of the libraries they were built on, then what sample files say.
// Letters' case, spaces and punctuation do not count.
func isPublished(text string) bool {
	bare := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	if published[bare] || strings.Trim(text, text[:1]) == "" {
		return true
	}
	// secret secret secret, keyboard cat keyboard cat
	for n := 1; n <= len(bare)/2; n++ {
		if len(bare)%n == 0 && strings.Repeat(bare[:n], len(bare)/n) == bare && (n == 1 || published[bare[:n]]) {
			return true
		}
	}
	return false
}

var published = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`
		somethingrandomhereplease somethingrandomandlonghereplease somethingrandomhere somerandomstring
		somelongrandomsecret somelongrandomstring somerandomsecret somerandomsecretstring alongrandomsecret alongrandomstring
		alongrandomlygeneratedstring alongrandomlygeneratedstringstoredinenv longrandomvalue longrandomstring
		yoursecret yoursecrethere yoursecretkey yoursecretkeyhere yourcookiesecret yourcookiesecrethere yourrandomsecret
		yourrandomsecrethere yoursessionsecret yoursessionsecrethere yourclientsecret yourownsecret yoursupersecret
		mysecret mysecretkey mycookiesecret mysessionsecret mycoolsecret mysupersecret mysupersecretkey
		secret secretkey secretfromauth0 cookiesecret sessionsecret supersecret supersecretkey supersecretsession
		supersecretpassword topsecret verysecret verysecretkey thisisasecret thisisasecretkey thisissecret thisisnotasecret
		keyboardcat shhh shhhh shhhhh shhhverysecret shhhhverysecret tkrv0ijshyqrvagqfvww4kivssmx
		changeme changemeplease pleasechangeme pleasechangethis changethis changethissecret changethistosomethingrandom
		changeit replaceme replacethis replacethissecret replacewithasecret replacewithalongrandomstring
		replacethiswithalongrandomstring usealongrandomstring usealongrandomstringhere usealongrandomsecret
		atleast16characters atleast16characterslong atleast32characters atleast32characterslong
		thisshouldbealongrandomstring putsomethingrandomhere putarandomstringhere randomstring randomsecret
		insertsecrethere insertrandomstringhere entersecrethere correcthorsebatterystaple
		development developmentsecret example examplesecret sample samplesecret test testsecret testsecretkey
		password passwordpassword 0123456789abcdef 0123456789abcdef0123456789abcdef 1234567890123456 1234567890abcdef
		abcdefghijklmnop abcdefghijklmnopqrstuvwxyz`) {
		m[s] = true
	}
	return m
}()
