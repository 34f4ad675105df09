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
	costConjunction = 40
	costPreposition = 52
	costPlain       = 90
	costOf          = 115 // before "of", which binds to what precedes it
	costBound       = 140 // within a phrase: after an article, a pronoun, an auxiliary, a preposition
	costName        = 170 // within a name
	costUnit        = 400 // between a number and its unit: only where nothing else fits
)

// priced are the costs of breaking and of not breaking before each token. Those of the first have no meaning.
type priced struct {
	at []float64
	// over[j] - over[i] is what a cue costs that begins at token i and runs over the breaks up to token j.
	over []float64
}

func breakCosts(ts []token) priced {
	costs := priced{make([]float64, len(ts)), make([]float64, len(ts))}
	punctuated := isPunctuated(ts)
	for i := 1; i < len(ts); i++ {
		pause := float64(ts[i].start - ts[i-1].end)
		var next class
		if i+1 < len(ts) {
			next = ts[i+1].class
		}
		costs.at[i] = afterPause(textCost(ts[i-1], ts[i], next), pause, punctuated)
		costs.over[i] = costs.over[i-1] + overCost(costs.at[i], pause, punctuated)
	}
	return costs
}

// overCost is what a cue costs for running over a break. The end of a sentence is better the end of a cue, and a
// pause within a cue shows words before they are said.
func overCost(cost, pause float64, punctuated bool) float64 {
	over := max(0, 18-cost)
	if punctuated {
		return over + max(0, pause-200)/12
	}
	return over + max(0, pause-100)/10
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
	case cost > costBound:
		return cost * math.Exp(-pause/700)
	case cost >= costOf:
		return cost * math.Exp(-pause/200) // "the year before [pause] I": "before" need not bind what follows
	case punctuated:
		return max(costComma+8, cost*math.Exp(-pause/700))
	default:
		return cost * math.Exp(-pause/180)
	}
}

// textCost returns the cost of a break between a and b by their text alone; next is the class of the word after b.
func textCost(a, b token, next class) float64 {
	switch mark := lastMark(a.text); {
	case strings.Trim(a.text, opening) == "", strings.Trim(b.text, closing+",.;:!?…") == "":
		return costUnit // « and » with spaces of their own
	case endsSentence(a, b):
		return costSentence
	case mark == '.' && abbreviates(a, b):
		return costName // Dr. Smith, No. 5
	case mark == '.' && a.class&dotted != 0 && b.class&capital != 0:
		return costConjunction // "6 p.m. We left" or "the U.S. Army"
	case strings.ContainsRune(";:—–…；：", mark), len(a.text) > 2 && mark == '-':
		return costClause
	case strings.ContainsRune(".!?,、，", mark) && a.class&dotted == 0:
		return costComma
	}
	boundNumber := a.class&number != 0 && b.class&(unit|number) != 0 ||
		a.class&label != 0 && b.class&number != 0 && startsNumber(strings.TrimLeft(b.text, opening))
	good := b.class & (conjunction | preposition)
	switch {
	case boundNumber:
		return costUnit
	case b.class&attached != 0:
		return costOf
	case startsHiragana(b.text) && ideographic(lastMark(a.text)):
		return costOf // mostly the particle or the ending of the word before
	case a.class&capital != 0 && b.class&capital != 0 && a.class&(article|conjunction|preposition|pronoun|auxiliary) == 0 && !isI(b.text):
		return costName
	case a.class&(article|attached) != 0:
		return costBound + 10
	case b.class&(preposition|joiner) == preposition && (next&joiner != 0 || !isLetterOrDigit(lastMark(b.text))):
		return costBound - 10 // "coming / from and": the preposition belongs to the verb
	case a.class&preposition != 0 && b.class&joiner != 0:
		return costConjunction // "coming from / and"
	case b.class&focus != 0 && next&(conjunction|preposition) != 0 && a.class&(pronoun|auxiliary|preposition|conjunction) == 0:
		return costConjunction // "every day / even when"
	case a.class&focus != 0:
		return costBound
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
	case b.class&article != 0:
		return costPlain - 20 // "understand / a single word"
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
		return !abbreviates(a, b) && a.class&dotted == 0 && !unicode.IsLower(first)
	}
	return false
}

// abbreviates tells whether a, if it ends in a full stop, is short for something that b belongs to. "No." is so before a
// number only.
func abbreviates(a, b token) bool {
	return a.class&abbreviation != 0 && (a.class&label == 0 || b.class&number != 0)
}

// lastMark returns the last character of a word, closing quotes and brackets aside.
func lastMark(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, closing))
	return r
}

func startsHiragana(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return unicode.Is(unicode.Hiragana, first)
}

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func isI(s string) bool {
	return s == "I" || strings.HasPrefix(s, "I'") || strings.HasPrefix(s, "I’")
}
