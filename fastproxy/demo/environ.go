package demo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// environ is a request's header as R sees it: HTTP_X_AUTH0_EMAIL and so on.
type environ map[string]string

// environOf maps names as httpuv does: upper case, "-" to "_". A header sent
// twice is joined by a comma. Where two spellings meet in one name, the one
// with the underscore wins, whatever the order: that is what httpuv was seen to
// do, and why a proxy must drop such names.
func environOf(r *http.Request) environ {
	env := environ{"HTTP_HOST": r.Host}
	for pass := range 2 {
		for name, values := range r.Header {
			if strings.Contains(name, "_") == (pass == 1) {
				name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				env["HTTP_"+name] = strings.Join(values, ",")
			}
		}
	}
	return env
}

// sockjsEnviron is all that open-source Shiny Server lets R's session see,
// whatever the browser or the proxy sent.
func sockjsEnviron() environ {
	return environ{
		"HTTP_HOST": "127.0.0.1", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade",
		"HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SHINY_SHARED_SECRET": newToken(),
	}
}

// guest is session$user and session$groups: who Shiny was told is there.
type guest struct {
	User   string
	Groups []string
	Known  bool
}

// guestOf reads the credentials header, the one identity Shiny itself knows.
func (env environ) guestOf() guest {
	raw, ok := env["HTTP_SHINY_SERVER_CREDENTIALS"]
	var said struct {
		User   *string  `json:"user"`
		Groups []string `json:"groups"`
	}
	if !ok || json.Unmarshal([]byte(raw), &said) != nil || said.User == nil {
		return guest{}
	}
	return guest{User: *said.User, Groups: said.Groups, Known: true}
}

// name is what to call the visitor on a page: the name header, its percent
// signs read back; else e-mail, else user id.
func (env environ) name() string {
	for _, key := range []string{"HTTP_X_AUTH0_NAME", "HTTP_X_AUTH0_EMAIL", "HTTP_X_AUTH0_USER_ID"} {
		if v := env[key]; v != "" {
			if plain, err := url.PathUnescape(v); err == nil {
				return plain
			}
			return v
		}
	}
	return ""
}

// groups are those of the page's own headers, each read back.
func (env environ) groups() []string {
	var groups []string
	for g := range strings.SplitSeq(env["HTTP_X_AUTH0_GROUPS"], ",") {
		if plain, err := url.PathUnescape(g); err == nil {
			g = plain
		}
		if g != "" {
			groups = append(groups, g)
		}
	}
	return groups
}

// told is one line of the tables of what Shiny was told.
type told struct{ Name, Value string }

// told lists the environment, who-you-are first.
func (env environ) told() []told {
	var lines []told
	for name := range env {
		lines = append(lines, told{name, env.shown(name)})
	}
	slices.SortFunc(lines, func(a, b told) int {
		if d := rank(a.Name) - rank(b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return lines
}

func rank(name string) int {
	prefixes := []string{"HTTP_X_AUTH0_", "HTTP_SHINY_", "HTTP_X_", "HTTP_AUTHORIZATION", "HTTP_COOKIE"}
	for i, prefix := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return i
		}
	}
	return len(prefixes)
}

// shown is a value fit for a page: what would let somebody in is only measured.
func (env environ) shown(name string) string {
	value := env[name]
	switch name {
	case "HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_SHINY_SHARED_SECRET":
		return "(hidden, " + strconv.Itoa(len(value)) + " bytes)"
	}
	if len(value) > 600 {
		value = value[:600] + "…"
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}
