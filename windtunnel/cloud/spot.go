package cloud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Spot is the model of spot capacity.
//
// The price of a type is the on-demand price times a factor whose logarithm wanders around that of Discount and is drawn
// back to it (an Ornstein-Uhlenbeck process): Volatility is its standard deviation in the long run, Memory the time in which
// a deviation falls to 1/e. It never exceeds the on-demand price. A node is interrupted at a constant rate, independently
// of others and of the price, and is told Notice before.
type Spot struct {
	Discount             float64
	Volatility           float64
	Memory               time.Duration
	InterruptionsPerHour float64
	Notice               time.Duration
}

// DefaultSpot has the discount of Karpenter's own catalogue and Amazon's two minutes of notice. Rate and volatility differ
// so much between types and weeks that no default is right: one node in twenty is interrupted a day.
func DefaultSpot() Spot {
	return Spot{
		Discount: 0.7, Volatility: 0.08, Memory: 12 * time.Hour,
		InterruptionsPerHour: 0.05 / 24, Notice: 2 * time.Minute,
	}
}

// Check says what is wrong with the parameters.
func (s Spot) Check() error {
	switch {
	case s.Discount <= 0 || s.Discount > 1:
		return fmt.Errorf("spot costs %v of the on-demand price: expected more than 0 and at most 1", s.Discount)
	case s.Volatility < 0 || math.IsNaN(s.Volatility):
		return fmt.Errorf("the volatility of spot prices is %v: expected 0 or more", s.Volatility)
	case s.Volatility > 0 && s.Memory <= 0:
		return fmt.Errorf("spot prices remember for %v: expected more than 0", s.Memory)
	case s.InterruptionsPerHour < 0 || math.IsNaN(s.InterruptionsPerHour):
		return fmt.Errorf("spot nodes are interrupted %v times an hour: expected 0 or more", s.InterruptionsPerHour)
	case s.Notice < 0:
		return fmt.Errorf("the notice before an interruption is %v: expected 0 or more", s.Notice)
	}
	return nil
}

// Lifetime is how long a node runs from now until it is taken away; false where it never is. The notice comes Notice
// before that, or at once.
func (s Spot) Lifetime(r *rand.Rand) (time.Duration, bool) {
	if s.InterruptionsPerHour <= 0 {
		return 0, false
	}
	hours := r.ExpFloat64() / s.InterruptionsPerHour
	if limit := float64(math.MaxInt64) / float64(time.Hour); hours >= limit {
		return 0, false
	}
	return time.Duration(hours * float64(time.Hour)), true
}

// Market is the spot price of one type over time.
type Market struct {
	spot     Spot
	onDemand float64
	// deviation is that of the logarithm of the factor.
	deviation float64
}

// Market begins at a price drawn from the long run.
func (s Spot) Market(t Type, r *rand.Rand) *Market {
	return &Market{spot: s, onDemand: t.Price, deviation: s.Volatility * r.NormFloat64()}
}

// Price is dollars an hour, now.
func (m *Market) Price() float64 {
	return m.onDemand * math.Min(1, m.spot.Discount*math.Exp(m.deviation))
}

// Advance moves the price on. The steps may have any length: two half steps have the distribution of one whole.
func (m *Market) Advance(step time.Duration, r *rand.Rand) {
	if m.spot.Volatility == 0 || step <= 0 {
		return
	}
	kept := math.Exp(-step.Seconds() / m.spot.Memory.Seconds())
	m.deviation = m.deviation*kept + m.spot.Volatility*math.Sqrt(1-kept*kept)*r.NormFloat64()
}
