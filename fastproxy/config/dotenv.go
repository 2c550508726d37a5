package config

import (
	"regexp"
	"strings"
)

// Variable is one line of a .env file that counts.
type Variable struct {
	Name, Value string
	Line        int // from 1
}

// Spaces as ECMAScript sees them (WhiteSpace and LineTerminator, ECMA-262
// 12.2 and 12.3): RE2's \s knows only five of them.
const spaces = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006" +
	"\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

var dotenvLine = regexp.MustCompile(`^[` + spaces + `]*([\w.\-]+)[` + spaces + `]*=[` + spaces +
	`]*([^\n\r\x{2028}\x{2029}]*)[` + spaces + `]*$`)

// ParseDotenv reads a .env file exactly as dotenv 2, which the original
// proxies used: no comments behind a value, no expansion of $, \n only inside
// double quotes, one quote cut from either end whether they match or not, and
// lines that are not NAME=value skipped in silence. Of a name that is there
// twice the last value counts. Names come in the order of their first line;
// a value may be empty.
func ParseDotenv(b []byte) []Variable {
	var vars []Variable
	index := map[string]int{}
	for i, line := range strings.Split(string(b), "\n") {
		m := dotenvLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		v := Variable{Name: m[1], Value: dotenvValue(m[2]), Line: i + 1}
		if at, twice := index[v.Name]; twice {
			vars[at] = v
			continue
		}
		index[v.Name] = len(vars)
		vars = append(vars, v)
	}
	return vars
}

func dotenvValue(v string) string {
	if n := len(v); n > 0 && v[0] == '"' && v[n-1] == '"' {
		v = strings.ReplaceAll(v, `\n`, "\n")
	}
	if v != "" && (v[0] == '"' || v[0] == '\'') {
		v = v[1:]
	}
	if n := len(v); n > 0 && (v[n-1] == '"' || v[n-1] == '\'') {
		v = v[:n-1]
	}
	return strings.Trim(v, spaces)
}
