package demo

import (
	"crypto/md5" // as tools::md5sum in R: it shows that the bytes arrived, it guards nothing
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// uploads are the files a visit is being sent, and the last ones it got. Guarded
// by the visit's mu.
type uploads struct {
	jobs map[string]*job
	last []arrived
}

// job is one uploadInit: files announced, then posted in that order.
type job struct {
	announced []announced
	arrived   []arrived
}

type announced struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Type string `json:"type"`
}

type arrived struct {
	name string
	size int64
	md5  string
}

// Shiny's own words: its client shows them as they are.
var errTooLarge = errors.New("Maximum upload size exceeded")

const maxFiles = 100 // of one upload, and uploads under way at once

func (v *visit) beginUpload(args []json.RawMessage) (any, error) {
	var list []announced
	if len(args) != 1 || json.Unmarshal(args[0], &list) != nil || len(list) == 0 || len(list) > maxFiles {
		return nil, errors.New("uploadInit: want one list of files")
	}
	for _, f := range list {
		if f.Size > v.shiny.limit {
			return nil, errTooLarge
		}
	}
	if v.uploads.jobs == nil {
		v.uploads.jobs = map[string]*job{}
	}
	if len(v.uploads.jobs) >= maxFiles {
		return nil, errors.New("uploadInit: too many uploads under way")
	}
	id := newToken()[:24]
	v.uploads.jobs[id] = &job{announced: list}
	return map[string]any{
		"jobId":     id,
		"uploadUrl": "session/" + v.token + "/upload/" + id + "?w=",
	}, nil
}

// endUpload hands the files of a job to the input that asked for them.
func (v *visit) endUpload(args []json.RawMessage) error {
	var id, input string
	if len(args) != 2 || json.Unmarshal(args[0], &id) != nil || json.Unmarshal(args[1], &input) != nil {
		return errors.New("uploadEnd: want a job and an input")
	}
	j, ok := v.uploads.jobs[id]
	if !ok {
		return errors.New("uploadEnd: no such upload")
	}
	delete(v.uploads.jobs, id)
	if len(j.arrived) != len(j.announced) {
		return fmt.Errorf("uploadEnd: %d of %d files arrived", len(j.arrived), len(j.announced))
	}
	v.uploads.last = j.arrived
	return nil
}

// uploaded is the text of the output upinfo.
func (v *visit) uploaded() any {
	if len(v.uploads.last) == 0 {
		return "none"
	}
	text := ""
	for i, f := range v.uploads.last {
		if i > 0 {
			text += "\n"
		}
		text += fmt.Sprintf("name=%s size=%d md5=%s", f.name, f.size, f.md5)
	}
	return text
}

// serveUpload takes one file's bytes, which are counted and hashed as they
// come and kept nowhere.
func (v *visit) serveUpload(w http.ResponseWriter, r *http.Request, id string) {
	v.mu.Lock()
	j, ok := v.uploads.jobs[id]
	v.mu.Unlock()
	if !ok || r.Method != http.MethodPost {
		notFound(w)
		return
	}
	sum := md5.New()
	size, err := io.Copy(sum, r.Body)
	if err != nil {
		plainText(w, http.StatusBadRequest, "upload broke off")
		return
	}
	v.mu.Lock()
	full := len(j.arrived) >= len(j.announced)
	if !full {
		name := j.announced[len(j.arrived)].Name
		j.arrived = append(j.arrived, arrived{name, size, hex.EncodeToString(sum.Sum(nil))})
	}
	v.mu.Unlock()
	if full {
		plainText(w, http.StatusBadRequest, "more files than announced")
		return
	}
	plainText(w, http.StatusOK, "OK")
}

// serveSession answers session/<token>/…: whoever knows the token may ask, as
// with Shiny; another process, or another session, does not know it: 404.
func (s *Shiny) serveSession(w http.ResponseWriter, r *http.Request, token, what, id, rest string) {
	v, ok := s.visit(token)
	switch {
	case ok && what == "upload" && rest == "":
		v.serveUpload(w, r, id)
	case ok && what == "download" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		v.serveDownload(w, r, id, rest)
	default:
		notFound(w)
	}
}
