package subtitle

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The costs of a break between two words that no pause parts. Their ratios are what matters.
const (
	costSentence    = 0
	costClause      = 12
	costComma       = 22
	costConjunction = 45
	costPreposition = 55
	costPlain       = 75
	costOf          = 105 // before "of", which binds to what precedes it
	costBound       = 130 // within a phrase: after an article, a pronoun, an auxiliary, a preposition
	costName        = 170 // within a name
	costUnit        = 400 // between a number and its unit: only where nothing else fits
)

// breakCosts returns the cost of a break before each token; that of the first has no meaning.
func breakCosts(ts []token) []float64 {
	punctuated := isPunctuated(ts)
	costs := make([]float64, len(ts))
	for i := 1; i < len(ts); i++ {
		pause := float64(ts[i].start - ts[i-1].end)
		costs[i] = afterPause(textCost(ts[i-1], ts[i]), pause, punctuated)
	}
	return costs
}

// isPunctuated tells whether an engine writes punctuation at all. Speech has a mark about every ten words.
func isPunctuated(ts []token) bool {
	marks := 0
	for _, t := range ts {
		if strings.ContainsRune(",.;:!?…、。，．！？", lastMark(t.text)) {
			marks++
		}
	}
	return marks*40 > len(ts)
}

// afterPause lowers the cost of a break where the speaker paused. Without punctuation, pauses are all the structure
// that there is, and count for far more; yet a speaker who hesitates after "the" has not ended a phrase.
func afterPause(cost, pause float64, punctuated bool) float64 {
	switch {
	case cost <= costComma:
		return max(0, cost-min(8, pause/50))
	case cost >= costOf && punctuated:
		return cost * math.Exp(-pause/2500)
	case cost >= costOf:
		return cost * math.Exp(-pause/700)
	case punctuated:
		return max(costComma+8, cost*math.Exp(-pause/700))
	default:
		return cost * math.Exp(-pause/180)
	}
}

// textCost returns the cost of a break between a and b by their text alone.
func textCost(a, b token) float64 {
	switch mark := lastMark(a.text); {
	case endsSentence(a, b):
		return costSentence
	case mark == '.' && a.class&abbreviation != 0 && b.class&(capital|number) != 0:
		return costName // Dr. Smith, No. 5
	case strings.ContainsRune(";:—–…；：", mark), len(a.text) > 2 && mark == '-':
		return costClause
	case strings.ContainsRune(".!?,、，", mark):
		return costComma
	case !isLetterOrDigit(mark):
		// A closing quote or an unknown symbol says nothing; the words decide.
	}
	boundNumber := a.class&number != 0 && b.class&(unit|number) != 0 ||
		a.class&label != 0 && b.class&number != 0 && startsNumber(strings.TrimLeft(b.text, opening))
	good := b.class & (conjunction | preposition)
	switch {
	case boundNumber:
		return costUnit
	case b.class&attached != 0:
		return costOf
	case a.class&capital != 0 && b.class&capital != 0 && a.class&(article|conjunction|preposition|pronoun|auxiliary) == 0 && !isI(b.text):
		return costName
	case a.class&(article|attached) != 0:
		return costBound + 10
	case a.class&(pronoun|auxiliary) != 0 && good == 0, a.class&(preposition|conjunction) != 0:
		return costBound
	case a.class&number != 0 && good == 0 && b.class&(article|pronoun|auxiliary) == 0:
		return costBound - 20 // "five / dogs"
	case a.class&auxiliary != 0:
		return costPlain + 15 // "it is / in the house"
	case b.class&conjunction != 0:
		return costConjunction
	case b.class&preposition != 0:
		return costPreposition
	case a.class&pronoun == 0 && b.class&pronoun != 0:
		return costPreposition + 5 // a new clause begins: "the day / we met"
	case b.class&auxiliary != 0:
		return costPlain + 5
	}
	if first, _ := utf8.DecodeRuneInString(b.text); strings.ContainsRune(opening, first) {
		return costPreposition
	}
	return costPlain
}

// endsSentence tells whether a, followed by b, is the last word of a sentence.
func endsSentence(a, b token) bool {
	switch lastMark(a.text) {
	case '。', '．', '！', '？':
		return true
	case '.', '!', '?', '…':
		first, _ := utf8.DecodeRuneInString(strings.TrimLeft(b.text, opening))
		return a.class&abbreviation == 0 && !unicode.IsLower(first)
	}
	return false
}

// lastMark returns the last character of a word, closing quotes and brackets aside.
func lastMark(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, closing))
	return r
}

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func isI(s string) bool {
	return s == "I" || strings.HasPrefix(s, "I'") || strings.HasPrefix(s, "I’")
}
