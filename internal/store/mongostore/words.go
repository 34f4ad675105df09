package mongostore

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"k8s-scalers/internal/caption"
)

const (
	maxWords = 32 // in a search
	// maxIndexed is how much of a word is indexed, in bytes: DocumentDB takes keys of 2 KB, with all their fields.
	maxIndexed = 256
)

// wordsOf returns the words of a text in order, without case and diacritics, in the form in which they are compared.
func wordsOf(text string) []string {
	if isASCII(text) {
		text = strings.ToLower(text) // the same, and much faster
	} else {
		text = fold(text)
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co) })
	// Marks belong to the word that they are in, and are none of their own.
	return slices.DeleteFunc(words, func(w string) bool {
		return !strings.ContainsFunc(w, func(r rune) bool { return !unicode.Is(unicode.M, r) })
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// fold removes case, and the diacritics of European scripts. Marks of other scripts are letters rather than ornaments: か
// and が are as different as k and g.
func fold(text string) string {
	text = norm.NFD.String(cases.Fold().String(strings.ToValidUTF8(text, " ")))
	text = strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(text)
}

// indexed returns each word once, and of long ones the beginning.
func indexed(words []string) []string {
	cut := make([]string, len(words))
	for i, w := range words {
		cut[i] = indexedPart(w)
	}
	slices.Sort(cut)
	return slices.Compact(cut)
}

func indexedPart(word string) string {
	if len(word) <= maxIndexed {
		return word
	}
	end := maxIndexed
	for !utf8.RuneStart(word[end]) {
		end--
	}
	return word[:end]
}

// search is what a user looks for: all of the words, the last one as a prefix.
type search []string

func parseSearch(text string) (search, error) {
	words := wordsOf(text)
	if len(words) > maxWords {
		return nil, caption.Errorf(caption.KindInvalid, "Search for at most %d words.", maxWords).WithCode("too_many_words")
	}
	return words, nil
}

// in returns which of the words searched for occur among words, as a set of bits.
func (s search) in(words []string) (found uint64) {
	for _, w := range words {
		for i, wanted := range s {
			if w == wanted || i == len(s)-1 && strings.HasPrefix(w, wanted) {
				found |= 1 << i
			}
		}
	}
	return found
}

func (s search) all() uint64 { return 1<<len(s) - 1 }
