package subtitle

import (
	"math"

	"k8s-scalers/internal/caption"
)

// Cut makes cues of words. Cues are in order, at least p.MinGap apart, within p's lines, widths and longest duration
// (a single word that is wider than a line gets a cue of its own), and hold each word once, in the order of their
// starts. A cue never spans a change of speaker or a long silence. Words may be in any state: unordered, overlapping,
// without length, empty. The result is never nil.
func Cut(words []caption.Word, p Profile) []caption.Cue {
	ts := tokens(words)
	costs := breakCosts(ts)
	var spans []span
	for from := 0; from < len(ts); {
		to := from + 1
		for to < len(ts) && ts[to].speaker == ts[from].speaker && ts[to].start-ts[to-1].end < p.Silence {
			to++
		}
		spans = append(spans, cheapest(ts, costs, from, to, p)...)
		from = to
	}
	cues := make([]caption.Cue, len(spans))
	for i, s := range spans {
		text := join(ts[s.from:s.to])
		if s.line > s.from {
			text = join(ts[s.from:s.line]) + "\n" + join(ts[s.line:s.to])
		}
		cues[i] = caption.Cue{Start: ts[s.from].start, End: ts[s.to-1].end, Text: text, Speaker: ts[s.from].speaker}
	}
	setTimes(cues, p)
	return cues
}

// A span is the tokens of one cue; those from line on are on its second line, none if line is 0.
type span struct{ from, line, to int }

// cheapest returns the cues of tokens from to to, which end in breaks that are given, at the lowest sum of costs.
// Since a cue has few words, time grows with the number of tokens.
func cheapest(ts []token, costs priced, from, to int, p Profile) []span {
	type state struct {
		cost float64
		span span
	}
	best := make([]state, to-from+1) // best[i] ends before token from+i
	for end := from + 1; end <= to; end++ {
		s := &best[end-from]
		s.cost = math.Inf(1)
		for start := end - 1; start >= from; start-- {
			single := end-start == 1
			if !single && (ts[end-1].right-ts[start].left > p.MaxLine*p.MaxLines || ts[end-1].end-ts[start].start > p.MaxDuration) {
				break
			}
			line, cost := layout(ts, costs, start, end, p)
			if cost == math.Inf(1) {
				continue
			}
			cost += best[start-from].cost + cueCost(ts, costs, start, end, from, to, p) + costs.over[end-1] - costs.over[start]
			if cost < s.cost {
				*s = state{cost, span{start, line, end}}
			}
		}
	}
	var spans []span
	for end := to; end > from; end = spans[len(spans)-1].from {
		spans = append(spans, best[end-from].span)
	}
	for i, j := 0, len(spans)-1; i < j; i, j = i+1, j-1 {
		spans[i], spans[j] = spans[j], spans[i]
	}
	return spans
}

const (
	costCue   = 25 // of any cue, so that fewer are better
	costEmpty = 12 // of a cue with hardly any text, less for fuller ones, so that neighbours are of like length
	orphan    = 18 // columns below which a cue within a sentence is an orphan
	strong    = 10 // the cost up to which a break is the end of a sentence
)

// cueCost prices the cue of tokens from a to b by itself and by the break after it.
func cueCost(ts []token, costs priced, a, b, from, to int, p Profile) float64 {
	cost := float64(costCue)
	columns := ts[b-1].right - ts[a].left
	fill := 1 - float64(columns)/float64(p.MaxLine*p.MaxLines)
	cost += costEmpty * fill * fill

	endsWell := b == to || costs.at[b] <= strong
	if b < to {
		cost += costs.at[b]
	}
	if startsWell := a == from || costs.at[a] <= strong; columns < orphan && (!startsWell || !endsWell) {
		cost += 50 * (1 - float64(columns)/orphan)
		if b-a == 1 {
			cost += 25
		}
	}

	// Time on the screen runs until the next cue. That of the last is not known here; it has time enough.
	if b < len(ts) {
		shown := float64(min(ts[b].start-p.MinGap-ts[a].start, p.MaxDuration))
		if least := float64(p.MinDuration); shown < least {
			cost += 100 * (1 - max(0, shown)/least)
		}
		if speed := float64(columns) * 1000 / max(shown, 1); speed > p.MaxSpeed {
			cost += 60 * min(2, speed/p.MaxSpeed-1)
		}
	}
	return cost
}

// layout returns where the second line of a cue begins, 0 for one line, and what that costs: +Inf where the tokens
// do not fit.
func layout(ts []token, costs priced, a, b int, p Profile) (line int, cost float64) {
	if b-a == 1 || ts[b-1].right-ts[a].left <= p.MaxLine {
		return 0, 0
	}
	cost = math.Inf(1)
	if p.MaxLines < 2 {
		return 0, cost
	}
	for m := b - 1; m > a; m-- {
		first, second := ts[m-1].right-ts[a].left, ts[b-1].right-ts[m].left
		if second > p.MaxLine {
			break
		}
		if first > p.MaxLine {
			continue
		}
		c := 0.35*costs.at[m] + 20*math.Abs(float64(first-second))/float64(p.MaxLine)
		if first > second {
			c += 3 // The wider line below hides less of the picture.
		}
		if c < cost {
			line, cost = m, c
		}
	}
	return line, cost
}
