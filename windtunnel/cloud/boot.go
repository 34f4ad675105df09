package cloud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Boot is how long it takes from asking for a node until it is Ready. The model is log-normal around the middle (the
// geometric mean) of Shortest and Longest, which hold 95 % of it, and drawn again outside of them.
type Boot struct {
	Shortest, Longest time.Duration
}

// KarpenterBoot is what is reported for nodes that Karpenter starts itself.
func KarpenterBoot() Boot { return Boot{Shortest: 30 * time.Second, Longest: 100 * time.Second} }

// GroupBoot is what is reported for nodes of an autoscaling group.
func GroupBoot() Boot { return Boot{Shortest: 70 * time.Second, Longest: 5 * time.Minute} }

// Check says what is wrong with the parameters.
func (b Boot) Check() error {
	if b.Shortest <= 0 || b.Longest < b.Shortest {
		return fmt.Errorf("a boot takes from %v to %v: the first must be more than 0 and the second at least the first", b.Shortest, b.Longest)
	}
	return nil
}

// Draw is the boot time of one node.
func (b Boot) Draw(r *rand.Rand) time.Duration {
	const central95 = 1.959963984540054
	low, high := math.Log(b.Shortest.Seconds()), math.Log(b.Longest.Seconds())
	for {
		x := (low+high)/2 + (high-low)/2/central95*r.NormFloat64()
		if x >= low && x <= high {
			return time.Duration(math.Exp(x) * float64(time.Second))
		}
	}
}
