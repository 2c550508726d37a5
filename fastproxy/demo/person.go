package demo

import "slices"

// Person is somebody who can sign in at the pocket Auth0 with one click.
type Person struct {
	Key      string // the name in forms and links: "kim"
	Sub      string // the OpenID subject: "auth0|kim"
	Name     string
	Nickname string
	Email    string // said to be verified
	Locale   string
	Groups   []string
	Blurb    string // one line on the login page: what this person may see
}

// Kim and Sam are the two people of the demonstration of authorisation in
// Shiny's gallery: one sees every company, the other only DL. Sam's name is
// not ASCII on purpose: headers must survive it.
func kimAndSam() []Person {
	return []Person{
		{
			Key: "kim", Sub: "auth0|kim", Name: "Kim Larsen", Nickname: "kim",
			Email: "kim@example.org", Locale: "en", Groups: []string{"Admin"},
			Blurb: "sees every company",
		},
		{
			Key: "sam", Sub: "auth0|sam", Name: "Sam Müller", Nickname: "sam",
			Email: "sam@example.org", Locale: "de", Groups: []string{"DL"},
			Blurb: "sees only DL, Dune Lines",
		},
	}
}

func (a *Auth0) person(key string) (Person, bool) {
	i := slices.IndexFunc(a.opts.People, func(p Person) bool { return p.Key == key })
	if i < 0 {
		return Person{}, false
	}
	return a.opts.People[i], true
}

// Initials are the first letters of the first and last word of the name.
func (p Person) Initials() string { return initials(p.Name) }

// profile lists the claims that scope grants, with the groups under their
// namespaced key as an Auth0 Action would put them there, whatever the scope.
func (a *Auth0) profile(p Person, scope []string) map[string]any {
	claims := map[string]any{}
	if slices.Contains(scope, "profile") {
		claims["name"] = p.Name
		claims["nickname"] = p.Nickname
		claims["picture"] = a.opts.Issuer + "people/" + p.Key + ".svg"
		claims["locale"] = p.Locale
		claims["updated_at"] = a.born.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if slices.Contains(scope, "email") {
		claims["email"] = p.Email
		claims["email_verified"] = true
	}
	if a.opts.GroupsClaim != "" && len(p.Groups) > 0 {
		claims[a.opts.GroupsClaim] = p.Groups
	}
	return claims
}
