package openai

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/speech/remote"
)

// Whisper's own rule for a segment without speech.
const (
	noSpeechAbove = 0.6
	logprobBelow  = -1
)

// inexact is by how much the times of a segment may be off.
const inexact caption.Millis = 250

// longest is the length in bytes beyond which a word takes no more punctuation.
const longest = 100

// errNoTimes is for answers of servers that do not know the format verbose_json.
var errNoTimes = errors.New("the text has no times; the server must support response_format=verbose_json")

// hear returns the words that were spoken, and how many segments were left out because nothing was.
func (r response) hear(level *meter) (words []remote.Word, left int, err error) {
	kept := make([]segment, 0, len(r.Segments))
	var removed []segment
	for _, s := range r.Segments {
		switch {
		case strings.TrimSpace(s.Text) == "" && len(s.Words) == 0:
		case s.doubtful(), s.inaudible(level):
			removed = append(removed, s)
		default:
			kept = append(kept, s)
		}
	}
	if len(r.Segments) == 0 {
		if len(r.Words) == 0 && r.Text != nil && strings.TrimSpace(*r.Text) != "" {
			return nil, 0, errNoTimes
		}
		words, err := timed(r.Words)
		return words, 0, err
	}
	if words := r.punctuated(kept, removed); words != nil {
		return words, len(removed), nil
	}
	for _, s := range kept {
		more, err := s.hear()
		if err != nil {
			return nil, 0, err
		}
		words = append(words, more...)
	}
	return words, len(removed), nil
}

// doubtful tells whether the model itself takes the segment for no speech.
func (s segment) doubtful() bool {
	return s.NoSpeech.told && s.NoSpeech.value > noSpeechAbove && s.AvgLogprob.told && s.AvgLogprob.value < logprobBelow
}

// inaudible tells whether there is nothing to hear in the segment, nor shortly before and after it: the times are inexact.
func (s segment) inaudible(level *meter) bool {
	return s.Start.told && s.End.told && level.silent(caption.Seconds(s.Start.value)-inexact, caption.Seconds(s.End.value)+inexact)
}

// punctuated returns the words of the answer with the punctuation of the kept segments; nil where it has no words outside
// its segments, or without times.
func (r response) punctuated(kept, removed []segment) []remote.Word {
	within := func(s segment, at float64) bool { return s.Start.value <= at && at < s.End.value }
	var spoken []word
	var tokens []string
	for _, w := range r.Words {
		middle := (w.Start.value + w.End.value) / 2
		at := func(s segment) bool { return within(s, middle) }
		if !slices.ContainsFunc(removed, at) || slices.ContainsFunc(kept, at) {
			spoken = append(spoken, w)
		}
	}
	for _, s := range kept {
		tokens = append(tokens, strings.Fields(s.Text)...)
	}
	if words := align(tokens, spoken); words != nil {
		return words
	}
	return bySegment(kept, spoken)
}

// bySegment is for answers whose text and words differ somewhere, as in "10 %" and "ten percent": the segments where they
// are the same get their punctuation, and the others the words alone. Nil where a word has no time.
func bySegment(kept []segment, spoken []word) []remote.Word {
	var words []remote.Word
	for i, s := range kept {
		n := len(spoken)
		if i < len(kept)-1 {
			if n = slices.IndexFunc(spoken, func(w word) bool { return (w.Start.value+w.End.value)/2 >= s.End.value }); n < 0 {
				n = len(spoken)
			}
		}
		more := align(strings.Fields(s.Text), spoken[:n])
		if more == nil {
			var err error
			if more, err = timed(spoken[:n]); err != nil {
				return nil
			}
		}
		words = append(words, more...)
		spoken = spoken[n:]
	}
	return words
}

// hear returns the words of one segment: with the times of its own words or pieces, or else with its time spread over them.
func (s segment) hear() ([]remote.Word, error) {
	tokens := strings.Fields(s.Text)
	if len(tokens) == 0 { // only pieces
		return timed(s.Words)
	}
	if words := align(tokens, s.Words); words != nil {
		return words, nil
	}
	if !s.Start.told || !s.End.told {
		return nil, errNoTimes
	}
	return spread(tokens, s.Start.value, s.End.value), nil
}

// timed returns words as the server gave them.
func timed(given []word) ([]remote.Word, error) {
	words := make([]remote.Word, 0, len(given))
	for _, w := range given {
		if !w.Start.told || !w.End.told {
			return nil, errNoTimes
		}
		words = append(words, remote.Word{Text: w.Word, Start: w.Start.value, End: w.End.value, Confidence: w.confidence()})
	}
	return words, nil
}

func (w word) confidence() *float64 {
	if !w.Probability.told {
		return nil
	}
	p := w.Probability.value
	return &p
}

// align gives the tokens of a text, which have punctuation, the times of the words or pieces of words that the server
// heard, which may have none. It goes by letters and digits alone; nil where these are not the same in both, and where
// a piece has no time.
func align(tokens []string, pieces []word) []remote.Word {
	if len(pieces) == 0 {
		return nil
	}
	heard := make([]string, len(pieces))
	for i, piece := range pieces {
		heard[i] = bare(piece.Word)
	}
	var words []remote.Word
	p, used := 0, 0 // the piece that comes next, and how many of its letters are taken
	for _, token := range tokens {
		letters := bare(token)
		if letters == "" { // a dash, a note: it stays with the word before
			if n := len(words); n > 0 && len(words[n-1].Text) < longest {
				words[n-1].Text += " " + token
			}
			continue
		}
		w := remote.Word{Text: token}
		first, count := p, 0
		var sum float64
		for letters != "" {
			if p == len(pieces) {
				return nil
			}
			piece := pieces[p]
			rest := heard[p][used:]
			if rest == "" {
				p, used = p+1, 0
				if count == 0 {
					first = p
				}
				continue
			}
			if !piece.Start.told || !piece.End.told {
				return nil
			}
			if count == 0 {
				w.Start = piece.Start.value
			}
			w.End = piece.End.value
			if piece.Probability.told {
				sum += piece.Probability.value
			}
			count++
			switch {
			case strings.HasPrefix(letters, rest):
				letters = letters[len(rest):]
				p, used = p+1, 0
			case strings.HasPrefix(rest, letters):
				used += len(letters)
				letters = ""
			default:
				return nil
			}
		}
		if pieces[first].Probability.told {
			mean := sum / float64(count)
			w.Confidence = &mean
		}
		if count > 1 && unspaced(token) { // a whole sentence, in a script that has no spaces
			given, err := timed(pieces[first:p])
			if err != nil {
				return nil
			}
			words = append(words, given...)
			continue
		}
		words = append(words, w)
	}
	for ; p < len(pieces); p, used = p+1, 0 {
		if heard[p][used:] != "" {
			return nil
		}
	}
	return words
}

// bare returns the letters and digits of a text, in lower case. What was lost of a piece shows as U+FFFD, and stays.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == utf8.RuneError {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// unspaced tells whether a text is in a script that does not put spaces between words.
func unspaced(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
	})
}

// spread gives each token a share of the time in proportion to its length.
func spread(tokens []string, start, end float64) []remote.Word {
	tokens = clauses(tokens)
	total := 0
	for _, t := range tokens {
		total += utf8.RuneCountInString(t)
	}
	words := make([]remote.Word, len(tokens))
	before := 0
	at := func(runes int) float64 { return start + (end-start)*float64(runes)/float64(total) }
	for i, t := range tokens {
		words[i] = remote.Word{Text: t, Start: at(before)}
		before += utf8.RuneCountInString(t)
		words[i].End = at(before)
	}
	return words
}

// clauses splits tokens behind the punctuation of scripts that have no spaces.
func clauses(tokens []string) []string {
	var split []string
	for _, t := range tokens {
		split = append(split, strings.Fields(ideographic.Replace(t))...)
	}
	return split
}

var ideographic = strings.NewReplacer("。", "。 ", "、", "、 ", "，", "， ", "！", "！ ", "？", "？ ", "；", "； ")
