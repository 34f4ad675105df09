// Package caption is the domain of the platform: videos, jobs, tasks, transcripts, cues, events, the kinds of
// error, and the ports that several packages share. It imports the standard library only, so that every service
// and every adapter can import it; no technology, transport or storage format lives here.
package caption

import (
	"crypto/rand"
	"strings"
)

// NewID returns an unguessable identifier of 26 lower-case letters and digits (130 random bits).
// It is safe in a URL, a file name and an S3 key.
func NewID() string { return strings.ToLower(rand.Text()) }

// ValidID tells whether s has the form of an identifier of [NewID]. Everything that makes a path or a key out of
// an identifier from outside asks this first.
func ValidID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
