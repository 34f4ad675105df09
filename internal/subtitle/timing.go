package subtitle

import "k8s-scalers/internal/caption"

// maxLead is how long before its first word a cue may appear when it would else be too short to read.
const maxLead caption.Millis = 400

// setTimes turns the times of speech in cues into times on the screen. Each cue keeps p.MinGap to the next; within
// that, short cues stay longer, and gaps that would only flicker are closed.
func setTimes(cues []caption.Cue, p Profile) {
	for i := range cues {
		c := &cues[i]
		if i > 0 {
			c.Start = max(c.Start, cues[i-1].End+p.MinGap)
		}
		// A cue stays until it is said and can be read, but not into the next one. The next one is delayed only where
		// nobody could read this one at all.
		end := max(c.End, c.Start+p.MinDuration, c.Start+readingTime(c.Text, p))
		if i+1 < len(cues) {
			end = min(end, cues[i+1].Start-p.MinGap)
		}
		c.End = max(min(end, c.Start+p.MaxDuration), c.Start+max(1, p.MinDuration/2))
	}
	for i := range cues {
		c := &cues[i]
		if c.End-c.Start < p.MinDuration {
			c.Start = max(c.End-p.MinDuration, c.Start-maxLead, 0)
			if i > 0 {
				c.Start = max(c.Start, cues[i-1].End+p.MinGap)
			}
		}
		if i > 0 && c.Start-cues[i-1].End < p.CloseGap {
			cues[i-1].End = min(c.Start-p.MinGap, cues[i-1].Start+p.MaxDuration)
		}
	}
}

func readingTime(text string, p Profile) caption.Millis {
	return caption.Seconds(float64(width(text)) / p.MaxSpeed)
}
