package workload

import (
	"math"
	"math/rand/v2"
	"time"
)

// Load is how many requests or jobs arrive per second at a time after the start of the run.
type Load interface {
	Rate(at time.Duration) float64
}

// split takes a stream of random numbers of its own from another one.
func split(from *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(from.Uint64(), from.Uint64())) }

// Sum adds loads.
type Sum []Load

// Rate implements Load.
func (s Sum) Rate(at time.Duration) float64 {
	var sum float64
	for _, l := range s {
		sum += l.Rate(at)
	}
	return sum
}

// Steady is always the same.
type Steady float64

// Rate implements Load.
func (s Steady) Rate(time.Duration) float64 { return float64(s) }

// Diurnal rises from Low at night to High at Peak and falls again, every 24 hours: a squared cosine, which has the flat
// nights and the pronounced noon of traces such as NASA-HTTP.
type Diurnal struct {
	Low, High float64
	Peak      time.Duration
}

// Rate implements Load.
func (d Diurnal) Rate(at time.Duration) float64 {
	phase := (1 + math.Cos(2*math.Pi*(at-d.Peak).Hours()/24)) / 2
	return d.Low + (d.High-d.Low)*phase*phase
}

// Sine swings around a mean.
type Sine struct {
	Mean, Amplitude float64
	Period          time.Duration
}

// Rate implements Load.
func (s Sine) Rate(at time.Duration) float64 {
	return max(0, s.Mean+s.Amplitude*math.Sin(2*math.Pi*at.Seconds()/s.Period.Seconds()))
}

// Ramp goes in a straight line from one rate to another. Start and End at one moment are a step.
type Ramp struct {
	From, To   float64
	Start, End time.Duration
}

// Rate implements Load.
func (r Ramp) Rate(at time.Duration) float64 {
	switch {
	case at >= r.End:
		return r.To
	case at < r.Start:
		return r.From
	default:
		return r.From + (r.To-r.From)*(at-r.Start).Seconds()/(r.End-r.Start).Seconds()
	}
}

// Spike rises from Base to Peak, stays, and falls.
type Spike struct {
	Base, Peak           float64
	At, Rise, Hold, Fall time.Duration
}

// Rate implements Load.
func (s Spike) Rate(at time.Duration) float64 {
	since := at - s.At
	switch {
	case since < 0 || since >= s.Rise+s.Hold+s.Fall:
		return s.Base
	case since < s.Rise:
		return s.Base + (s.Peak-s.Base)*since.Seconds()/s.Rise.Seconds()
	case since < s.Rise+s.Hold:
		return s.Peak
	default:
		return s.Peak - (s.Peak-s.Base)*(since-s.Rise-s.Hold).Seconds()/s.Fall.Seconds()
	}
}

// Flash is a flash crowd: it rises within minutes and decays exponentially, as the matches in the WorldCup98 trace do.
type Flash struct {
	Base, Peak      float64
	At, Rise, Decay time.Duration
}

// Rate implements Load.
func (f Flash) Rate(at time.Duration) float64 {
	since := at - f.At
	switch {
	case since < 0:
		return f.Base
	case since < f.Rise:
		return f.Base + (f.Peak-f.Base)*since.Seconds()/f.Rise.Seconds()
	default:
		return f.Base + (f.Peak-f.Base)*math.Exp(-(since-f.Rise).Seconds()/f.Decay.Seconds())
	}
}

// Batch is a number of arrivals spread evenly over a while.
type Batch struct {
	Count      float64
	At, Spread time.Duration
}

// Rate implements Load.
func (b Batch) Rate(at time.Duration) float64 {
	if at < b.At || at >= b.At+b.Spread {
		return 0
	}
	return b.Count / b.Spread.Seconds()
}

// Trace repeats recorded rates, each of which holds for Every.
type Trace struct {
	Rates []float64
	Every time.Duration
}

// Rate implements Load.
func (t Trace) Rate(at time.Duration) float64 {
	if len(t.Rates) == 0 || at < 0 {
		return 0
	}
	return t.Rates[int(at/t.Every)%len(t.Rates)]
}

// Noisy multiplies a load by a random factor around 1 that is drawn anew each minute.
type Noisy struct {
	Load    Load
	factors []float64
}

// NewNoisy draws the factors for a whole run, so that asking for a rate has no side effect. Variation is the standard
// deviation of the factor.
func NewNoisy(load Load, variation float64, run time.Duration, r *rand.Rand) Noisy {
	factor := NewLogNormalByMean(1, variation)
	factors := make([]float64, int(run/time.Minute)+1)
	for i := range factors {
		factors[i] = factor.Draw(r)
	}
	return Noisy{load, factors}
}

// Rate implements Load.
func (n Noisy) Rate(at time.Duration) float64 {
	return n.Load.Rate(at) * n.factors[min(max(int(at/time.Minute), 0), len(n.factors)-1)]
}
