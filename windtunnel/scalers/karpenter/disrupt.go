package karpenter

// Disruption: when it is thought about, and the loop over its methods. The methods are Karpenter's own. The loop is written here to the
// rules of disruption.Controller.Reconcile, which gathers all candidates anew for each method, whether it will look at them or not, and reads
// back every node and every claim each time: that took more time than all other controllers together.

import (
	"context"
	"slices"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	disruptionutils "sigs.k8s.io/karpenter/pkg/utils/disruption"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"k8s-scalers/windtunnel/cluster"
)

// phase is when in each second disruption is thought about: apart from everything else, because it takes its time between
// a thought and a deed.
const phase = 750 * time.Millisecond

// Start begins to think about disruption.
func (k *Karpenter) Start() {
	k.ctx, k.stop = context.WithCancel(k.ctx)
	k.running.Go(func() {
		wait := time.Duration(0)
		for {
			next := time.Now().Add(wait).Truncate(time.Second).Add(phase)
			if !next.After(time.Now().Add(wait)) {
				next = next.Add(time.Second)
			}
			select {
			case <-time.After(time.Until(next)):
			case <-k.ctx.Done():
				return
			}
			wait = k.disrupt()
		}
	})
}

// watched is what disruption depends on.
var watched = []schema.GroupResource{
	podResource, nodeResource, claimResource, poolResource, {Group: "policy", Resource: "poddisruptionbudgets"},
}

// thought is when disruption last found nothing to do, and the version of what it depends on.
type thought struct {
	version int64
	at      time.Time
}

// nomination is how long a node that was meant for a pod is left alone.
const nomination = 2 * batchMax

// disrupt lets Karpenter think about disruption, and returns how long it wants to wait until the next time. The original does so every ten
// seconds, and looks at all nodes, their pods and their prices each time. Here it does so where the outcome can be another one than the
// last: something that it watches has changed, a node that was meant for a pod no longer is, or a minute has begun, with which the schedule
// of a budget may begin or end.
func (k *Karpenter) disrupt() time.Duration {
	now, version := time.Now(), k.config.API.Version(watched...)
	if k.idle.version == version && k.idle.at.After(k.provisioned.Add(nomination)) && now.Truncate(time.Minute).Equal(k.idle.at.Truncate(time.Minute)) {
		return polling
	}
	k.idle = thought{}
	wait, err := k.disruptOnce(injection.WithControllerName(context.WithValue(k.ctx, atOnce{}, true), "disruption"))
	switch {
	case apierrors.IsConflict(err):
		return 0
	case err != nil:
		if k.ctx.Err() == nil {
			k.config.Failed(err, "karpenter: disruption")
		}
		return 0
	}
	if wait == polling && k.config.API.Version(watched...) == version {
		k.idle = thought{version, now}
	}
	return wait
}

// polling is how long disruption waits where it found nothing to do.
const polling = 10 * time.Second

// method is one of Karpenter's reasons to disrupt nodes.
type method interface {
	disruption.Method
	// IsConsolidated tells that the method found nothing to do and nothing has changed since; it would do nothing at all.
	IsConsolidated() bool
}

// disruptOnce lets the methods look at the nodes, one after the other, until one of them does something, and returns how long to wait until
// the next time.
func (k *Karpenter) disruptOnce(ctx context.Context) (time.Duration, error) {
	if !k.state.Synced(ctx) {
		return time.Second, nil
	}
	if err := k.tidy(ctx); err != nil {
		return 0, err
	}
	var all []*disruption.Candidate
	var totals map[string]disruption.NodePoolTotals
	var gathered time.Time
	for _, m := range k.methods {
		if m.IsConsolidated() || !k.promising(ctx, m) {
			continue
		}
		if now := time.Now(); !gathered.Equal(now) {
			var err error
			all, totals, err = disruption.GetCandidatesWithTotals(ctx, k.state, k.client, silent{}, hurried{}, k.provider, everyone,
				disruption.GracefulDisruptionClass, k.commands, k.costs)
			if err != nil {
				return 0, err
			}
			gathered = now
		}
		done, err := k.disruptBy(ctx, m, all, totals)
		if done || err != nil {
			return 0, err
		}
	}
	return polling, nil
}

// promising tells whether a method can find anything: a node that may be consolidated, that is empty or not, as the method wants it, and whose
// pool has a budget for the method's reason. Karpenter asks the same of each candidate and each budget, but copies all nodes and all pods
// before it does.
func (k *Karpenter) promising(ctx context.Context, m method) bool {
	empty := m.Reason() == karpv1.DisruptionReasonEmpty
	for node := range k.state.Nodes() {
		if node.NodeClaim == nil || node.Node == nil || !node.NodeClaim.StatusConditions().Get(karpv1.ConditionTypeConsolidatable).IsTrue() ||
			k.empty(ctx, node.Node.Name) != empty {
			continue
		}
		object, err := k.config.API.Look(poolResource, "", node.Labels()[karpv1.NodePoolLabelKey])
		if err != nil {
			continue
		}
		pool := object.(*karpv1.NodePool)
		if !empty && pool.Spec.Disruption.ConsolidationPolicy == karpv1.ConsolidationPolicyWhenEmpty {
			continue
		}
		// A share of the nodes is rounded up, so that their number does not matter.
		if pool.MustGetAllowedDisruptions(hurried{}, 1, m.Reason()) > 0 {
			return true
		}
	}
	return false
}

// empty tells whether a node is empty in the sense of disruption.Candidate.IsEmpty: it costs nothing to move its pods.
func (k *Karpenter) empty(ctx context.Context, node string) bool {
	return !slices.ContainsFunc(k.config.API.On(node), func(pod *corev1.Pod) bool {
		return podutils.IsReschedulable(pod) && disruptionutils.EvictionCost(ctx, pod) > 0
	})
}

// everyone lets methods choose among all candidates.
func everyone(context.Context, *disruption.Candidate) bool { return true }

// disruptBy lets one method look at the candidates, in the order of their names, and begins what it decides.
func (k *Karpenter) disruptBy(ctx context.Context, m method, all []*disruption.Candidate, totals map[string]disruption.NodePoolTotals) (bool, error) {
	var candidates []*disruption.Candidate
	for _, c := range all {
		if m.ShouldDisrupt(ctx, c) {
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		return false, nil
	}
	sortByName(candidates)
	if setter, ok := m.(disruption.NodePoolTotalsSetter); ok {
		setter.SetNodePoolTotals(totals)
	}
	budgets, err := disruption.BuildDisruptionBudgetMapping(ctx, k.state, hurried{}, k.client, k.provider, silent{}, m.Reason())
	if err != nil {
		return false, err
	}
	commands, err := m.ComputeCommands(ctx, budgets, candidates...)
	if err != nil {
		return false, err
	}
	done := false
	for _, command := range commands {
		if command.Decision() == disruption.NoOpDecision {
			continue
		}
		command.CreationTimestamp, command.ID, command.Method = time.Now(), uuid.New(), m
		if err := k.commands.StartCommand(ctx, &command); err != nil {
			return false, err
		}
		done = true
	}
	return done, nil
}

// tidy takes back what a disruption that was given up has left: the taint of its nodes, and the reason in its claims.
func (k *Karpenter) tidy(ctx context.Context) error {
	left := func(name, providerID string) bool {
		if k.commands.HasAny(providerID) {
			return false
		}
		claim, err := k.config.API.Look(claimResource, "", name)
		return err == nil && claim.GetDeletionTimestamp() == nil
	}
	found := slices.ContainsFunc(k.config.API.Peek(nodeResource), func(o cluster.Object) bool {
		node := o.(*corev1.Node)
		tainted := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) })
		return tainted && node.DeletionTimestamp == nil && left(node.Name, node.Spec.ProviderID)
	}) || slices.ContainsFunc(k.config.API.Peek(claimResource), func(o cluster.Object) bool {
		claim := o.(*karpv1.NodeClaim)
		reason := slices.ContainsFunc(claim.Status.Conditions, func(c status.Condition) bool { return c.Type == karpv1.ConditionTypeDisruptionReason })
		return reason && left(claim.Name, claim.Status.ProviderID)
	})
	if !found {
		return nil
	}
	outdated := slices.DeleteFunc(k.state.DeepCopyNodes(), func(n *state.StateNode) bool {
		return k.commands.HasAny(n.ProviderID()) || n.MarkedForDeletion()
	})
	if err := state.RequireNoScheduleTaint(ctx, k.client, false, outdated...); err != nil {
		return err
	}
	return state.ClearNodeClaimsCondition(ctx, k.client, hurried{}, karpv1.ConditionTypeDisruptionReason, outdated...)
}
