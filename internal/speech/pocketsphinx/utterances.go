package pocketsphinx

import (
	"math"

	"k8s-scalers/internal/media/pcm"
)

// In frames of 10 ms.
const (
	longestUtterance = 1500 // beyond, the program gets slower and worse
	shortestPause    = 15   // a shorter one is within a word
	longPause        = 150  // always ends an utterance
	padding          = 15   // of silence that is left around speech
	shortestSpeech   = 5    // anything shorter is a click
)

// utterance is a part of the sound that may be speech.
type utterance struct {
	pcm.Span
	loud int // frames of it that are no pause
}

// cutUtterances returns the parts of the sound that may be speech, in order, each at most longestUtterance.
func cutUtterances(sound []byte) []utterance {
	levels := pcm.Levels(sound)
	islands := islands(levels)
	var utterances []utterance
	for first := 0; first < len(islands); {
		last := lastOfUtterance(islands, first)
		u := utterance{Span: padded(levels, islands, first, last)}
		for _, island := range islands[first : last+1] {
			u.loud += island.Frames()
		}
		if !steady(levels[u.Start:u.End]) {
			utterances = append(utterances, u)
		}
		first = last + 1
	}
	return utterances
}

// islands returns what lies between the pauses, each no longer than an utterance may be with its padding.
func islands(levels []float32) []pcm.Span {
	var spans []pcm.Span
	add := func(s pcm.Span) {
		const room = longestUtterance - 2*padding
		for s.Frames() > room { // no pause: cut where it is quietest
			at := pcm.Quietest(levels, pcm.Span{Start: s.Start + room*2/3, End: s.Start + room})
			spans = append(spans, pcm.Span{Start: s.Start, End: at})
			s.Start = at
		}
		if s.Frames() >= shortestSpeech {
			spans = append(spans, s)
		}
	}
	start := 0
	for _, p := range pcm.Pauses(levels, shortestPause) {
		add(pcm.Span{Start: start, End: p.Start})
		start = p.End
	}
	add(pcm.Span{Start: start, End: len(levels)})
	return spans
}

// lastOfUtterance joins neighbouring islands, because words are recognised better with others around them. It returns which
// island ends the utterance that starts with the first one: the last that fits, or one before a long pause. Measured on
// 1,841 words in four voices, to end at the longest pause among the last ones costs half a point of word error rate.
func lastOfUtterance(islands []pcm.Span, first int) int {
	const room = longestUtterance - 2*padding
	last := first
	for last < len(islands)-1 && islands[last+1].Start-islands[last].End <= longPause && islands[last+1].End-islands[first].Start <= room {
		last++
	}
	return last
}

// padded returns islands[first..last] with some of the pauses before and after, at most half of them, so that
// utterances do not overlap.
func padded(levels []float32, islands []pcm.Span, first, last int) pcm.Span {
	s := pcm.Span{Start: islands[first].Start, End: islands[last].End}
	before, after := s.Start, len(levels)-s.End
	if first > 0 {
		before = (s.Start - islands[first-1].End) / 2
	}
	if last < len(islands)-1 {
		after = (islands[last+1].Start - s.End) / 2
	}
	return pcm.Span{Start: s.Start - min(before, padding), End: s.End + min(after, padding)}
}

// steady tells whether a sound keeps its level, as noise, hum and held chords do and speech never does: syllables rise
// and fall by 8 dB and more (standard deviation), and by 7 dB under noise as loud as the speech. Short sounds are
// not judged. It saves a lot of time, because the program is slowest where there is no speech.
func steady(levels []float32) bool {
	const shortestJudged, deviation = 200, 4.0
	if len(levels) < shortestJudged {
		return false
	}
	var sum, squares float64
	for _, l := range levels {
		sum += float64(l)
		squares += float64(l) * float64(l)
	}
	n := float64(len(levels))
	return math.Sqrt(max(squares/n-sum*sum/n/n, 0)) < deviation
}

// spoken tells whether what was heard in an utterance is speech. In music and noise the program hears few words, or many
// without confidence; their product tells both. Measured: 1.5 to 2.8 for speech, up to 0.3 for music.
func spoken(words []recognized, u utterance) bool {
	const enough = 0.5 // confident words a second
	var confidence float64
	for _, w := range words {
		if clean(w.text) != "" {
			confidence += w.confidence
		}
	}
	return confidence >= enough*pcm.FrameTime(u.loud).Seconds()
}
