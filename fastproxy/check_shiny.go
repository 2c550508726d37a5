package fastproxy

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"

	"fastproxy/fastproxy/policy"
)

// checkBackends asks every upstream once what it is.
func (c *onlineCheck) checkBackends(ctx context.Context) {
	var asked []string
	for _, m := range c.settings.Mounts() {
		if slices.Contains(asked, m.Upstream) {
			continue
		}
		asked = append(asked, m.Upstream)
		kind, problem := c.backendKind(ctx, m)
		switch {
		case kind == unknownKind:
			c.note("%s (%s): %s", m.Upstream, c.pathsOf(m.Upstream), kind)
		case kind == plainKind && !c.oneRule(m.Upstream):
			c.wrong("%s (%s): found plain R behind mounts with different rules; it is one app whatever the path, so give each rule an R process of its own", m.Upstream, c.pathsOf(m.Upstream))
		case problem == "":
			c.ok("%s (%s): %s", m.Upstream, c.pathsOf(m.Upstream), kind)
		case c.onlyClosedAdmin(m.Upstream):
			c.note("%s (%s): %s; nobody is let in there anyway", m.Upstream, c.pathsOf(m.Upstream), problem)
		default:
			c.wrong("%s (%s): %s", m.Upstream, c.pathsOf(m.Upstream), problem)
		}
	}
}

// pathsOf lists the mounts of an upstream.
func (c *onlineCheck) pathsOf(upstream string) string {
	var paths []string
	for _, m := range c.settings.Mounts() {
		if m.Upstream == upstream {
			paths = append(paths, m.Path)
		}
	}
	return strings.Join(paths, ", ")
}

// onlyClosedAdmin reports whether all that an upstream serves is the /admin/
// that admits nobody: most people have no Shiny Server Pro.
func (c *onlineCheck) onlyClosedAdmin(upstream string) bool {
	return c.settings.AdminIsClosed() && c.pathsOf(upstream) == adminMount
}

// oneRule reports whether everybody who may enter one mount of an upstream may
// enter them all.
func (c *onlineCheck) oneRule(upstream string) bool {
	table, err := policy.NewTable(c.settings.Mounts())
	return err != nil || table.OneRule(upstream) // LoadSettings has told of the error
}

const (
	plainKind   = "plain R (runApp): session$user and session$request know who is there"
	unknownKind = "it answers, but not as the Shiny we know"
)

// backendKind tells what kind of Shiny answers, or what is wrong there. Shiny
// Server answers /ping, Pro /__health-check__, and a plain R process only its
// app's page.
func (c *onlineCheck) backendKind(ctx context.Context, m policy.Mount) (kind, problem string) {
	header := http.Header{}
	if shared := c.settings.Shiny.SharedSecret; !shared.IsZero() {
		header.Set("Shiny-Shared-Secret", shared.Reveal())
	}
	ping, err := c.get(ctx, c.here, m.Upstream+"/ping", header)
	if err != nil {
		return "", "cannot be reached: " + err.Error()
	}
	if ping.status == http.StatusOK && string(bytes.TrimSpace(ping.body)) == "OK" {
		return "Shiny Server, open source: who is there reaches ui(req), not session$request (README, What Shiny sees)", ""
	}
	if health, err := c.get(ctx, c.here, m.Upstream+"/__health-check__", header); err == nil && health.status == http.StatusOK && !isShinyPage(health.body) {
		return "Shiny Server Pro", ""
	}
	page, err := c.get(ctx, c.here, m.Upstream+m.UpstreamPath, header)
	switch {
	case err != nil:
		return "", "its page cannot be had: " + err.Error()
	case page.status == http.StatusForbidden && len(header) == 0:
		return "", "it refuses us (403): does it want SHINY_SHARED_SECRET?"
	case page.status == http.StatusForbidden:
		return "", "it refuses us (403): is SHINY_SHARED_SECRET its shiny.sharedSecret?"
	case page.status == http.StatusOK && isShinyPage(page.body):
		return plainKind, ""
	case page.status >= 500:
		return "", "it answers " + http.StatusText(page.status)
	}
	return unknownKind, ""
}

// isShinyPage looks for what every page of Shiny for R has in its head since
// 0.9, and Shiny for Python's pages too.
func isShinyPage(body []byte) bool {
	for _, mark := range []string{"application/shiny-singletons", "shiny.min.js", "shiny-javascript", "shiny.js"} {
		if bytes.Contains(body, []byte(mark)) {
			return true
		}
	}
	return false
}
