package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// holder keeps secrets where fmt cannot call their methods.
type holder struct {
	text  Text
	key   Key
	texts []Text
	keys  map[string]Key
	Text  Text
	Key   Key
}

func TestNoFormatterOrEncoderTellsASecret(t *testing.T) {
	const word = "hunter2-and-more"
	text, key := NewText(word), keyOf(0xA7)
	h := holder{text: text, key: key, texts: []Text{text}, keys: map[string]Key{"k": key}, Text: text, Key: key}
	var out strings.Builder
	for _, v := range []any{text, &text, key, &key, h, &h, []holder{h}, NewBox(key)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "% x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	fmt.Fprintln(&out, errors.New(text.String()), fmt.Errorf("%w %v", errors.New("x"), key))
	said := strings.ToLower(out.String())
	for _, told := range []string{word, fmt.Sprintf("%x", word), fmt.Sprintf("% x", word), "167 167", "167,167", "a7a7a7a7", "a7 a7", "0xa7, 0xa7", "2812782503"} {
		if strings.Contains(said, told) {
			t.Errorf("%q can be read from it", told)
		}
	}
	if !strings.Contains(said, hidden) {
		t.Error("not even said to be hidden")
	}
}

func TestATextKeepsItsString(t *testing.T) {
	var zero, read Text
	if !zero.IsZero() || zero.Reveal() != "" || fmt.Sprint(zero) != "" || !NewText("").IsZero() {
		t.Error("the zero Text is not the empty one")
	}
	if err := read.UnmarshalText([]byte("x y")); err != nil || read.Reveal() != "x y" || read.IsZero() || read.String() != hidden {
		t.Errorf("%v %q", err, read.Reveal())
	}
	b, err := json.Marshal(struct{ A, B Text }{A: read})
	if err != nil || !bytes.Equal(b, []byte(`{"A":"(hidden)","B":""}`)) {
		t.Errorf("%s %v", b, err)
	}
}

// keyOf is a key of 32 equal bytes.
func keyOf(b byte) Key { return keyFrom(bytes.Repeat([]byte{b}, keySize)) }
