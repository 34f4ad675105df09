package speechtest

import (
	"strings"
	"unicode"
)

// Words returns the words of a text as they are compared: in lower case, without punctuation other than the apostrophe
// within a word.
func Words(text string) []string {
	fields := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, "’", "'")), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
	words := fields[:0]
	for _, f := range fields {
		if f = strings.Trim(f, "'"); f != "" {
			words = append(words, f)
		}
	}
	return words
}

// WER returns the word error rate of hyp against ref: the fewest words to insert, delete or replace that turn one into
// the other, per word of ref. Case and punctuation do not count. Of an empty ref it is 0 if hyp is empty too, else 1.
func WER(ref, hyp []string) float64 {
	ref, hyp = Words(strings.Join(ref, " ")), Words(strings.Join(hyp, " "))
	if len(ref) == 0 {
		return float64(min(len(hyp), 1))
	}
	row := make([]int, len(hyp)+1) // row[j]: distance of ref[:i] and hyp[:j]
	for j := range row {
		row[j] = j
	}
	for i, r := range ref {
		diagonal := row[0]
		row[0] = i + 1
		for j, h := range hyp {
			replaced := diagonal
			if r != h {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return float64(row[len(hyp)]) / float64(len(ref))
}
