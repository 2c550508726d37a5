package bench

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Tokens stand in a recording for what differs from session to session.
const (
	tokenWorker   = "WORKER"
	tokenToken    = "TOKEN"
	tokenRobust   = "ROBUST_ID"
	tokenSockJS   = "SOCKJSID"
	tokenSession  = "SESSION"
	tokenUpload   = "UPLOAD_URL"
	tokenUploadID = "UPLOAD_JOB_ID"
)

var knownTokens = []string{tokenWorker, tokenToken, tokenRobust, tokenSockJS, tokenSession, tokenUpload, tokenUploadID}

var tokenShape = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// tokenText is text with tokens in it, cut at them once.
type tokenText struct {
	text   []string // one more than tokens
	tokens []string
}

// cutTokens refuses tokens that nobody knows.
func cutTokens(s string) (tokenText, error) {
	var t tokenText
	at := 0
	for _, m := range tokenShape.FindAllStringSubmatchIndex(s, -1) {
		name := s[m[2]:m[3]]
		if !slices.Contains(knownTokens, name) {
			return t, fmt.Errorf("found unknown token ${%s}, want one of %s", name, strings.Join(knownTokens, " "))
		}
		t.text, t.tokens, at = append(t.text, s[at:m[0]]), append(t.tokens, name), m[1]
	}
	t.text = append(t.text, s[at:])
	return t, nil
}

// fill puts the values in.
func (t *tokenText) fill(values map[string]string) (string, error) {
	if len(t.tokens) == 0 {
		return t.text[0], nil
	}
	var b strings.Builder
	for i, name := range t.tokens {
		value, ok := values[name]
		if !ok {
			return "", fmt.Errorf("${%s} has no value: %s", name, whyNoValue[name])
		}
		b.WriteString(t.text[i])
		b.WriteString(value)
	}
	b.WriteString(t.text[len(t.tokens)])
	return b.String(), nil
}

var whyNoValue = map[string]string{
	tokenWorker:   `the page had no <base href="_w_…/">`,
	tokenUpload:   "the answer to uploadInit named no uploadUrl",
	tokenUploadID: "the answer to uploadInit named no jobId",
}

// valueShape is what a server may make a token's value. It goes into URLs and
// into JSON strings as it is.
var valueShape = regexp.MustCompile(`^[A-Za-z0-9._~!*'()/:@?&=+,;%-]{1,500}$`)

func checkValue(name, value string) error {
	if !valueShape.MatchString(value) {
		return fmt.Errorf("the server gave for ${%s} what fits neither into a URL nor into JSON", name)
	}
	return nil
}
