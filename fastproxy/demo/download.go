package demo

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

func (v *visit) downloadURL(id string) string {
	return "session/" + v.token + "/download/" + id + "?w="
}

// fileName is what the file of a download is called. The second has letters
// that no header can carry as they are.
func (v *visit) fileName(id string) (string, bool) {
	switch id {
	case "down":
		return fmt.Sprintf("delays-%d-min.csv", v.late()), true
	case "down_utf8":
		return fmt.Sprintf("Verspätungen über %d Minuten.csv", v.late()), true
	}
	return "", false
}

// serveDownload sends the table as CSV. A name that is not ASCII is given in the
// URL instead of the header, after a redirect that is relative: Shiny's way.
func (v *visit) serveDownload(w http.ResponseWriter, _ *http.Request, id, rest string) {
	v.mu.Lock()
	name, ok := v.fileName(id)
	body := v.csv()
	v.mu.Unlock()
	if !ok {
		notFound(w)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	disposition := "attachment"
	if rest == "" && !ascii(name) {
		h["Location"] = []string{url.PathEscape(id) + "/" + url.PathEscape(name)}
		h.Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusFound)
		return
	}
	if rest == "" {
		disposition = `attachment; filename="` + name + `"`
	}
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Type", "text/csv")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// csv is the table of what this visitor may see. The caller holds mu.
func (v *visit) csv() []byte {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Write([]string{"code", "company", "flights", "late", "late_percent", "mean_delay_minutes"})
	for _, c := range visibleTo(v.guest.Groups) {
		r := c.countLate(v.late())
		out.Write([]string{r.Code, r.Name, strconv.Itoa(r.Flights), strconv.Itoa(r.Late),
			strconv.FormatFloat(r.Percent, 'f', 1, 64), strconv.FormatFloat(r.Mean, 'f', 1, 64)})
	}
	out.Flush()
	return b.Bytes()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
