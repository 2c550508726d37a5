package identity

// reservedPrefixes and reservedNames are lower case with "-".
var (
	reservedPrefixes = [...]string{
		"x-auth0-", "shiny-", "remote-", "x-forwarded-", "x-sp-", "x-auth-request-",
	}
	reservedNames = [...]string{
		"forwarded", "x-real-ip", "x-request-id", "proxy",
	}
)

// IsReserved reports whether only the proxy may send a header of that name to
// Shiny, in any case, with "_" for "-". A name with "_" always is: httpuv
// makes "_" of "-", and X_Auth0_Email wins there over X-Auth0-Email (seen with
// 1.6.9). It allocates nothing; name is borrowed.
func IsReserved(name []byte) bool {
	for _, b := range name {
		if b == '_' {
			return true
		}
	}
	for _, s := range reservedNames {
		if len(name) == len(s) && foldsTo(name, s) {
			return true
		}
	}
	for _, s := range reservedPrefixes {
		if len(name) >= len(s) && foldsTo(name[:len(s)], s) {
			return true
		}
	}
	return false
}

// foldsTo compares ASCII without case; lower is lower case and as long as name.
func foldsTo(name []byte, lower string) bool {
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}
