package identity

// Header is one line that Shiny gets, and the R expression that reads it in a
// server function.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	R     string `json:"r"`
}

// groupsMax bounds what the groups take in the two headers that carry them,
// together: Node, and so Shiny Server, answers 431 when a whole head is over
// 16 KiB (http.maxHeaderSize, seen with 20.20.2), and the rest needs room.
const groupsMax = 12 << 10

// lines are the headers in their order on the wire. value appends the value;
// nothing appended means no line.
var lines = [...]struct {
	name  string
	value func(p *Principal, dst []byte) []byte
	r     string
}{
	{"X-Auth0-User-Id", (*Principal).appendUser, `session$request$HTTP_X_AUTH0_USER_ID`},
	{"X-Auth0-Email", (*Principal).appendEmail, `httpuv::decodeURIComponent(session$request$HTTP_X_AUTH0_EMAIL)`},
	{"X-Auth0-Groups", (*Principal).appendGroups, `httpuv::decodeURIComponent(strsplit(session$request$HTTP_X_AUTH0_GROUPS, ",", fixed = TRUE)[[1]])`},
	{"X-Auth0-Name", (*Principal).appendName, `httpuv::decodeURIComponent(session$request$HTTP_X_AUTH0_NAME)`},
	{"X-Auth0-Nickname", (*Principal).appendNickname, `httpuv::decodeURIComponent(session$request$HTTP_X_AUTH0_NICKNAME)`},
	{"X-Auth0-Picture", (*Principal).appendPicture, `session$request$HTTP_X_AUTH0_PICTURE`},
	{"X-Auth0-Locale", (*Principal).appendLocale, `httpuv::decodeURIComponent(session$request$HTTP_X_AUTH0_LOCALE)`},
	{"Shiny-Server-Credentials", (*Principal).appendCredentials, `list(user = session$user, groups = session$groups)`},
}

// AppendHeaders appends the header lines that tell Shiny who p is, each
// "Name: value\r\n", in a fixed order, printable ASCII only. What is not known
// of p has no line; an e-mail address known to be unverified is withheld.
func (p *Principal) AppendHeaders(dst []byte) []byte {
	for i := range lines {
		start := len(dst)
		dst = append(dst, lines[i].name...)
		dst = append(dst, ": "...)
		value := len(dst)
		dst = lines[i].value(p, dst)
		if len(dst) == value {
			dst = dst[:start]
			continue
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// Headers lists what AppendHeaders writes, for people to read.
func (p *Principal) Headers() []Header {
	var list []Header
	for i := range lines {
		if v := lines[i].value(p, nil); len(v) > 0 {
			list = append(list, Header{lines[i].name, string(v), lines[i].r})
		}
	}
	return list
}

// HeadersTruncated reports whether p is in more groups than the headers can
// carry. The first ones are sent; rules always see all.
func (p *Principal) HeadersTruncated() bool { return p.groupsSent() < len(p.Groups) }

// groupsSent is how many of the groups go into the headers.
func (p *Principal) groupsSent() int {
	size := 0
	var buf []byte
	for i, g := range p.Groups {
		buf = appendJSON(appendPercent(buf[:0], g, groupBytes), g)
		size += len(buf) + len(",,")
		if size > groupsMax {
			return i
		}
	}
	return len(p.Groups)
}

// appendUser keeps an OIDC subject as it is ("%" too: FromClaims saw to it that
// it can travel). The flat file's names may hold anything.
func (p *Principal) appendUser(dst []byte) []byte {
	if p.Method == MethodOIDC {
		return appendPercent(dst, p.Subject, urlBytes)
	}
	return appendPercent(dst, p.Subject, textBytes)
}

func (p *Principal) appendEmail(dst []byte) []byte {
	if p.EmailVerified == VerifiedNo {
		return dst
	}
	return appendPercent(dst, p.Email, textBytes)
}

func (p *Principal) appendGroups(dst []byte) []byte {
	for i, g := range p.Groups[:p.groupsSent()] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendPercent(dst, g, groupBytes)
	}
	return dst
}

func (p *Principal) appendName(dst []byte) []byte { return appendPercent(dst, p.Name, textBytes) }
func (p *Principal) appendNickname(dst []byte) []byte {
	return appendPercent(dst, p.Nickname, textBytes)
}
func (p *Principal) appendPicture(dst []byte) []byte { return appendPercent(dst, p.Picture, urlBytes) }
func (p *Principal) appendLocale(dst []byte) []byte  { return appendPercent(dst, p.Locale, textBytes) }

// appendCredentials writes what Shiny turns into session$user and
// session$groups (R/shiny.R reads this header of the WebSocket handshake).
func (p *Principal) appendCredentials(dst []byte) []byte {
	dst = append(dst, `{"user":`...)
	dst = appendJSON(dst, p.Subject)
	dst = append(dst, `,"groups":[`...)
	for i, g := range p.Groups[:p.groupsSent()] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, g)
	}
	return append(dst, "]}"...)
}
