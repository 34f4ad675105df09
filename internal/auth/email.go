package auth

import (
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"k8s-scalers/internal/caption"
)

const (
	maxEmail      = 254 // bytes, RFC 5321
	maxEmailLocal = 64
)

// normalEmail returns the one form under which an address is stored and looked up: without spaces around it, in lower
// case, in Unicode's form NFKC. Mail servers may tell "Ann@" from "ann@", but hardly any does, and two accounts
// that people cannot tell apart would be worse.
func normalEmail(s string) (string, error) {
	if len(s) > 4*maxEmail {
		return "", errEmail()
	}
	s = norm.NFKC.String(strings.ToLower(norm.NFKC.String(strings.TrimSpace(s))))
	if len(s) > maxEmail || strings.ContainsFunc(s, unprintable) {
		return "", errEmail()
	}
	// ParseAddress also reads names, comments and quoted local parts; what it finds must be all that was there.
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return "", errEmail()
	}
	at := strings.LastIndexByte(s, '@')
	if local, domain := s[:at], s[at+1:]; len(local) > maxEmailLocal || strings.ContainsAny(local, `"@`) || strings.HasPrefix(domain, "[") {
		return "", errEmail()
	}
	return s, nil
}

// unprintable tells runes that people cannot see, which would make two addresses look alike.
func unprintable(r rune) bool {
	return r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsGraphic(r)
}

func errEmail() error {
	return caption.Errorf(caption.KindInvalid, "This is not an e-mail address that can be used. Write it like name@example.org.").WithCode("bad_email")
}
