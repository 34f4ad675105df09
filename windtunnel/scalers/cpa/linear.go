package cpa

import (
	"errors"
	"fmt"
	"math"
)

// linearParams is the value of the key linear. The name of the type is part of the original's errors.
type linearParams struct {
	CoresPerReplica           float64 `json:"coresPerReplica"`
	NodesPerReplica           float64 `json:"nodesPerReplica"`
	Min                       int     `json:"min"`
	Max                       int     `json:"max"`
	PreventSinglePointFailure bool    `json:"preventSinglePointFailure"`
	IncludeUnschedulableNodes bool    `json:"includeUnschedulableNodes"`
}

// parseLinear reports the first mistake in the order in which the original looks: min, max, then the ratios.
func parseLinear(text string) (Policy, error) {
	var p linearParams
	if err := decode(text, &p, "linearcontroller"); err != nil {
		return nil, err
	}
	switch {
	case p.Min < 0:
		return nil, fmt.Errorf("invalid negative value for min: %v", p.Min)
	case p.Min == 0:
		p.Min = 1
	}
	switch {
	case p.Max != 0 && p.Max < p.Min:
		return nil, fmt.Errorf("max replicas count %v should be greater than / equal to min replicas count %v", p.Max, p.Min)
	case p.CoresPerReplica == 0 && p.NodesPerReplica == 0:
		return nil, errors.New("should at least provide either CoresPerReplica or NodesPerReplica (Greater than 0)")
	case p.CoresPerReplica < 0:
		return nil, fmt.Errorf("invalid negative value for coresPerReplica: %v", p.CoresPerReplica)
	case p.NodesPerReplica < 0:
		return nil, fmt.Errorf("invalid negative value for nodesPerReplica: %v", p.NodesPerReplica)
	}
	return linear(p), nil
}

type linear linearParams

func (linear) Mode() string { return modeLinear }

// Replicas is the larger of what the cores and what the nodes ask for. Each is held between min and max on its own, one
// that is not given counts as 1 whatever min says, and the guard against a single point of failure comes after the limits.
func (p linear) Replicas(size Size) int32 {
	nodes, cores := size.counted(p.IncludeUnschedulableNodes)
	byCores := p.replicas(cores, p.CoresPerReplica)
	byNodes := p.replicas(nodes, p.NodesPerReplica)
	if p.PreventSinglePointFailure && nodes > 1 {
		byNodes = max(byNodes, 2)
	}
	return int32(max(byCores, byNodes))
}

func (p linear) replicas(resources int32, perReplica float64) int {
	if perReplica == 0 {
		return 1
	}
	wanted := math.Ceil(float64(resources) / perReplica)
	if p.Max != 0 {
		wanted = math.Min(float64(p.Max), wanted)
	}
	return toInt(math.Max(float64(p.Min), wanted))
}

// toInt converts as amd64 does, for which the original is built; Go leaves the result for what is too large to the machine.
func toInt(f float64) int {
	if f >= math.MaxInt64 || math.IsNaN(f) {
		return math.MinInt64
	}
	return int(f)
}
