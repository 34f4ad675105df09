package karpenter

// The order of candidates. Karpenter's view of the cluster is a Go map, and so is its list of pools. Wherever it takes the first that
// will do, and several are equally good, it is chance which nodes go. Here it is their names that decide, so that a run can be repeated.

import (
	"cmp"
	"context"
	"slices"
	"time"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

// repeatable are the methods of disruption.NewMethods, in its order, with nothing left to chance. Those about drift are left out: nothing
// drifts here, and to find that out costs as much as the others.
func repeatable(cluster *state.Cluster, c *apiClient, provisioner *provisioning.Provisioner, p *provider, queue *disruption.Queue) []method {
	now, recorder := hurried{}, silent{}
	consolidation := disruption.MakeConsolidation(now, cluster, c, provisioner, p, recorder, queue)
	budgets := func(ctx context.Context) (map[string]int, error) {
		return disruption.BuildDisruptionBudgetMapping(ctx, cluster, now, c, p, recorder, karpv1.DisruptionReasonEmpty)
	}
	single := func() *disruption.SingleNodeConsolidation {
		return disruption.NewSingleNodeConsolidation(consolidation)
	}
	return []method{
		disruption.NewEmptiness(consolidation, disruption.WithValidator(&emptyInOrder{disruption.NewEmptinessValidator(consolidation), budgets})),
		disruption.NewMultiNodeConsolidation(consolidation),
		&oneByOne{Method: single(), single: single, state: cluster.ConsolidationState},
	}
}

func sortByName(candidates []*disruption.Candidate) {
	slices.SortFunc(candidates, func(a, b *disruption.Candidate) int { return cmp.Compare(a.Name(), b.Name()) })
}

// emptyInOrder looks, after the delay, which candidates are empty still, and keeps the first ones where a budget has become too small for
// all. Which ones that are is chance in the original.
type emptyInOrder struct {
	disruption.Validator
	budgets func(context.Context) (map[string]int, error)
}

func (v *emptyInOrder) Validate(ctx context.Context, command disruption.Command, delay time.Duration) (disruption.Command, error) {
	select {
	case <-ctx.Done():
		return disruption.Command{}, ctx.Err()
	case <-time.After(delay):
	}
	var valid []*disruption.Candidate
	for _, candidate := range command.Candidates {
		one := command
		one.Candidates = []*disruption.Candidate{candidate}
		switch validated, err := v.Validator.Validate(ctx, one, 0); {
		case disruption.IsValidationError(err):
		case err != nil:
			return disruption.Command{}, err
		default:
			valid = append(valid, validated.Candidates...)
		}
	}
	budgets, err := v.budgets(ctx)
	if err != nil {
		return disruption.Command{}, err
	}
	sortByName(valid)
	kept := command
	kept.Candidates = nil
	for _, candidate := range valid {
		if budgets[candidate.NodePool.Name] > 0 {
			budgets[candidate.NodePool.Name]--
			kept.Candidates = append(kept.Candidates, candidate)
		}
	}
	if len(kept.Candidates) == 0 {
		return v.Validator.Validate(ctx, command, 0) // It knows what to say.
	}
	return kept, nil
}

// oneByOne asks about one node after the other, the first of each pool, then the second of each, as the original does, which takes
// the pools from a map. For each node it takes a new instance: one remembers that it found nothing to do, and would not look at the next.
type oneByOne struct {
	disruption.Method
	single func() *disruption.SingleNodeConsolidation
	// state is when the cluster last changed, idle what it was when there was nothing to do.
	state func() time.Time
	idle  time.Time

	totals map[string]disruption.NodePoolTotals
}

// SetNodePoolTotals implements disruption.NodePoolTotalsSetter.
func (m *oneByOne) SetNodePoolTotals(totals map[string]disruption.NodePoolTotals) { m.totals = totals }

// IsConsolidated implements method.
func (m *oneByOne) IsConsolidated() bool { return m.idle.Equal(m.state()) }

func (m *oneByOne) ComputeCommands(ctx context.Context, budgets map[string]int, candidates ...*disruption.Candidate) ([]disruption.Command, error) {
	began, constrained := time.Now(), false
	for _, candidate := range m.interwoven(ctx, candidates) {
		constrained = constrained || budgets[candidate.NodePool.Name] == 0
		method := m.single()
		method.SetNodePoolTotals(m.totals)
		commands, err := method.ComputeCommands(ctx, budgets, candidate)
		// Only a second look, after a delay, takes time: then something had been found, whatever became of it.
		if err != nil || len(commands) > 0 || !time.Now().Equal(began) {
			return commands, err
		}
	}
	if !constrained {
		m.idle = m.state()
	}
	return nil, nil
}

func (m *oneByOne) interwoven(ctx context.Context, candidates []*disruption.Candidate) []*disruption.Candidate {
	var pools []string
	byPool := map[string][]*disruption.Candidate{}
	for _, c := range candidates {
		if byPool[c.NodePool.Name] == nil {
			pools = append(pools, c.NodePool.Name)
		}
		byPool[c.NodePool.Name] = append(byPool[c.NodePool.Name], c)
	}
	slices.Sort(pools)
	for _, pool := range pools {
		byPool[pool] = m.single().SortCandidates(ctx, byPool[pool])
	}
	var woven []*disruption.Candidate
	for i := 0; len(woven) < len(candidates); i++ {
		for _, pool := range pools {
			if i < len(byPool[pool]) {
				woven = append(woven, byPool[pool][i])
			}
		}
	}
	return woven
}
