package demo

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// servePage is ui(req): the page, knowing only the headers of its own request.
// As with Shiny: no cookie, nothing about caching, every URL in it relative;
// gzip and chunked for those who accept it.
func (s *Shiny) servePage(w http.ResponseWriter, r *http.Request, name, title, assets string) {
	env := environOf(r)
	groups := env.groups()
	restored := bookmark(r)
	body, err := renderPage(name, map[string]any{
		"Title": title, "Assets": assets, "CSS": assets + "demo.css", "Links": s.links,
		"Name": env.name(), "Initials": initials(env.name()), "Groups": groups,
		"Told": env.told(), "Companies": visibleTo(groups),
		"Limit": strconv.FormatFloat(float64(s.limit)/(1<<20), 'f', -1, 64) + " MB",
		"Late":  restored.late, "Company": restored.company,
	})
	if err != nil {
		plainText(w, http.StatusInternalServerError, "demo: cannot write this page")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Vary", "Accept-Encoding")
		if r.Method == http.MethodHead {
			return
		}
		zip := gzip.NewWriter(w)
		zip.Write(body)
		http.NewResponseController(w).Flush() // chunked, as httpuv's
		zip.Close()
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// restoredInputs are the inputs that a bookmarked URL carries.
type restoredInputs struct {
	late    int
	company string
}

// bookmark reads Shiny's form of it: ?_inputs_&late=30&company=%22DL%22, each
// value JSON.
func bookmark(r *http.Request) restoredInputs {
	in := restoredInputs{late: 15}
	q := r.URL.Query()
	if !q.Has("_inputs_") {
		return in
	}
	var late float64
	if json.Unmarshal([]byte(q.Get("late")), &late) == nil {
		in.late = int(min(max(late, 0), 120)) / 5 * 5
	}
	json.Unmarshal([]byte(q.Get("company")), &in.company)
	return in
}

var assetTypes = map[string]string{
	"demo.css":  "text/css; charset=utf-8",
	"app.js":    "text/javascript; charset=utf-8",
	"sockjs.js": "text/javascript; charset=utf-8",
}

// serveAsset serves a file of the page. Plain Shiny dates its files; Shiny
// Server tags its own and lets them be kept for a day.
func (s *Shiny) serveAsset(w http.ResponseWriter, r *http.Request, name string, shinyServer bool) {
	kind, ok := assetTypes[name]
	if !ok {
		if shinyServer {
			keepAlive(w)
		}
		notFound(w)
		return
	}
	body := asset(name)
	w.Header().Set("Content-Type", kind)
	if shinyServer {
		keepAlive(w)
		sum := sha256.Sum256(body)
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	}
	http.ServeContent(w, r, name, s.born, bytes.NewReader(body))
}
