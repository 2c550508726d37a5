package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// depthMax is how deep claims may nest. Auth0's deepest is three.
const depthMax = 16

var errTwice = errors.New("a name appears twice in an object")

// ParseObject reads exactly one JSON object (RFC 8259) with nothing behind it.
// Unlike encoding/json it refuses a name that appears twice in an object at
// any depth (RFC 7519 section 4 asks for that or for the last one to win),
// invalid UTF-8, and nesting beyond 16. Names keep their case, numbers are
// json.Number. Errors hold no byte of b.
func ParseObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	delim, container := t.(json.Delim)
	switch {
	case err != nil || !container:
		return t, err
	case depth == depthMax:
		return nil, fmt.Errorf("nested deeper than %d", depthMax)
	case delim == '{':
		return readObject(d, depth+1)
	}
	return readArray(d, depth+1)
}

// readObject reads what follows a '{', its '}' included.
func readObject(d *json.Decoder, depth int) (any, error) {
	object := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := object[name]; twice {
			return nil, errTwice
		}
		if object[name], err = readValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

// readArray reads what follows a '[', its ']' included.
func readArray(d *json.Decoder, depth int) (any, error) {
	array := []any{}
	for d.More() {
		v, err := readValue(d, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.Token()
	return array, err
}
