package karpenter

// What is due in a step: each of Karpenter's reconcilers is called when something that it watches has changed, or when it
// asked for it, in an order that is always the same.

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// placed is what pod events are told by: whether a pod has a node, and whether it is ending.
type placed struct {
	uid          types.UID
	bound, ended bool
}

// due names a reconciler and an object that it wants to be called for.
type due struct{ what, name string }

// call runs a reconciler on an object if something that it watches has changed or if it asked for it.
func (k *Karpenter) call(what, name string, changed bool, now time.Time, run func() (reconcile.Result, error)) {
	key := due{what, name}
	at, waiting := k.again[key]
	if !changed && (!waiting || at.After(now)) {
		return
	}
	delete(k.again, key)
	result, err := run()
	switch {
	case err != nil:
		k.config.Failed(err, "karpenter: "+what)
		k.again[key] = now.Add(time.Second)
	case result.RequeueAfter > 0:
		k.again[key] = now.Add(result.RequeueAfter)
	case result.Requeue: //nolint:staticcheck // Karpenter uses it
		k.again[key] = now.Add(time.Second)
	}
}

// every runs a reconciler that always asks to be called again.
func (k *Karpenter) every(what, name string, now time.Time, run func() (reconcile.Result, error)) {
	_, waiting := k.again[due{what, name}]
	k.call(what, name, !waiting, now, run)
}

// plan notes when something is due next, and forgets what a step has not called although it was due: its object is gone.
func (k *Karpenter) plan(now time.Time) {
	k.next = now.Add(time.Hour)
	for key, at := range k.again {
		switch {
		case !at.After(now):
			delete(k.again, key)
		case at.Before(k.next):
			k.next = at
		}
	}
}

// Step does everything that is due now. Everything else must wait meanwhile.
func (k *Karpenter) Step(now time.Time) {
	k.provider.refresh(now)
	changedPools, changedClaims, changedNodes, changedPods := k.pools.Take(), k.claims.Take(), k.nodes.Take(), k.pods.Take()
	changes := len(changedPools) + len(changedClaims) + len(changedNodes) + len(changedPods)
	// In most seconds nothing has changed, nothing is due, and nothing is under way.
	if changes == 0 && k.next.After(now) && !k.leaving && k.batch.seen == nil && len(k.commands.GetCommands()) == 0 {
		return
	}
	k.stepPools(changedPools, now)
	k.observe(changedClaims, changedNodes, changedPods, now)
	k.stepClaims(changedClaims, changedNodes, now)
	k.stepTerminations(changedNodes, now)
	k.stepCommands()
	k.trigger(now)
	if k.batch.due(now) && k.state.Synced(k.ctx) {
		k.batch, k.provisioned = batch{}, now
		k.provision()
	}
	k.plan(now)
}

func (k *Karpenter) stepPools(changed []types.NamespacedName, now time.Time) {
	for _, o := range k.config.API.Peek(poolResource) {
		isChanged := slices.Contains(changed, types.NamespacedName{Name: o.GetName()})
		for _, each := range []struct {
			name string
			run  func(context.Context, *karpv1.NodePool) (reconcile.Result, error)
		}{{"nodepool.hash", k.hash.Reconcile}, {"nodepool.validation", k.validation.Reconcile}, {"nodepool.readiness", k.readiness.Reconcile}} {
			k.call(each.name, o.GetName(), isChanged, now, func() (reconcile.Result, error) {
				pool := &karpv1.NodePool{}
				if err := k.client.Get(k.ctx, keyOf("", o.GetName()), pool); err != nil {
					return reconcile.Result{}, err
				}
				return each.run(k.ctx, pool)
			})
		}
		if isChanged {
			k.must(k.poolState.Reconcile(k.ctx, reconcile.Request{NamespacedName: keyOf("", o.GetName())}))
		}
	}
	k.call("state.pricing", "", len(changed) > 0, now, func() (reconcile.Result, error) {
		result, err := k.pricing.Reconcile(k.ctx)
		return reconcile.Result{RequeueAfter: result.RequeueAfter}, err
	})
}

// must notes an error of something that will be tried again anyway.
func (k *Karpenter) must(_ reconcile.Result, err error) {
	if err != nil {
		k.config.Failed(err, "karpenter")
	}
}

// observe tells Karpenter's view of the cluster what has changed.
func (k *Karpenter) observe(claims, nodes, pods []types.NamespacedName, now time.Time) {
	observe := func(what string, changed []types.NamespacedName, run func(context.Context, reconcile.Request) (reconcile.Result, error)) {
		for _, key := range changed {
			k.call(what, key.String(), true, now, func() (reconcile.Result, error) {
				result, err := run(k.ctx, reconcile.Request{NamespacedName: key})
				// It asks to be called each minute in case that an event was lost. None is.
				result.RequeueAfter = 0
				return result, err
			})
		}
	}
	observe("state.nodeclaim", claims, k.claimState.Reconcile)
	observe("state.node", nodes, k.nodeState.Reconcile)
	observe("state.pod", pods, k.podState.Reconcile)
	for _, key := range pods {
		k.podEvent(key)
	}
}

// podEvent tells about pods that were bound, or that end: after either, a node is left alone for its consolidateAfter.
func (k *Karpenter) podEvent(key types.NamespacedName) {
	pod := &corev1.Pod{}
	if k.client.Get(k.ctx, key, pod) != nil {
		delete(k.placed, key)
		return
	}
	before := k.placed[key]
	if before.uid != pod.UID {
		before = placed{}
	}
	now := placed{pod.UID, pod.Spec.NodeName != "", podutils.IsTerminal(pod) || podutils.IsTerminating(pod)}
	k.placed[key] = now
	if now.bound && (!before.bound || now.ended && !before.ended) {
		k.must(k.podEvents.Reconcile(k.ctx, pod))
	}
}

func (k *Karpenter) stepClaims(changed, nodes []types.NamespacedName, now time.Time) {
	for _, o := range k.config.API.Peek(claimResource) {
		key := types.NamespacedName{Name: o.GetName()}
		isChanged := slices.Contains(changed, key)
		// A node has the name of its claim.
		withNode := isChanged || slices.Contains(nodes, key)
		k.call("nodeclaim.lifecycle", key.Name, withNode && !settled(o.(*karpv1.NodeClaim)), now, k.onClaim(key, k.lifecycle.Reconcile))
		k.call("nodeclaim.disruption", key.Name, isChanged, now, k.onClaim(key, k.conditions.Reconcile))
		k.call("nodeclaim.expiration", key.Name, isChanged, now, k.onClaim(key, k.expiration.Reconcile))
	}
	k.every("nodeclaim.garbagecollection", "", now, func() (reconcile.Result, error) {
		result, err := k.garbage.Reconcile(k.ctx)
		return reconcile.Result{RequeueAfter: result.RequeueAfter}, err
	})
}

// settled tells of a claim whose node has come up and is to stay: its lifecycle does nothing to it.
func settled(claim *karpv1.NodeClaim) bool {
	if claim.DeletionTimestamp != nil || !slices.Contains(claim.Finalizers, karpv1.TerminationFinalizer) {
		return false
	}
	for _, stage := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
		if !slices.ContainsFunc(claim.Status.Conditions, func(c status.Condition) bool {
			return c.Type == stage && c.Status == metav1.ConditionTrue && c.ObservedGeneration == claim.Generation
		}) {
			return false
		}
	}
	return true
}

func (k *Karpenter) onClaim(key types.NamespacedName, run func(context.Context, *karpv1.NodeClaim) (reconcile.Result, error)) func() (reconcile.Result, error) {
	return func() (reconcile.Result, error) {
		claim := &karpv1.NodeClaim{}
		if k.client.Get(k.ctx, key, claim) != nil {
			return reconcile.Result{}, nil //nolint:nilerr // it is gone meanwhile
		}
		return run(k.ctx, claim)
	}
}

func (k *Karpenter) stepTerminations(changed []types.NamespacedName, now time.Time) {
	var leaving []string
	for _, o := range k.config.API.Peek(nodeResource) {
		if o.GetDeletionTimestamp() == nil {
			continue
		}
		key := types.NamespacedName{Name: o.GetName()}
		leaving = append(leaving, key.Name)
		k.call("node.termination", key.Name, slices.Contains(changed, key), now, func() (reconcile.Result, error) {
			node := &corev1.Node{}
			if k.client.Get(k.ctx, key, node) != nil {
				return reconcile.Result{}, nil //nolint:nilerr // it is gone meanwhile
			}
			return k.termination.Reconcile(k.ctx, node)
		})
	}
	if k.leaving = len(leaving) > 0; !k.leaving {
		return
	}
	for _, o := range k.config.API.Peek(podResource) {
		pod := o.(*corev1.Pod)
		if slices.Contains(leaving, pod.Spec.NodeName) && k.evictions.Has(pod) {
			k.must(k.evictions.Reconcile(k.ctx, pod.DeepCopy()))
			k.evicted++
		}
	}
	if k.evicted > evictionsPerQueue {
		k.newTermination()
	}
}

// stepCommands goes on with what was decided about disruption: it waits for replacements, then deletes.
func (k *Karpenter) stepCommands() {
	commands := k.commands.GetCommands()
	slices.SortFunc(commands, func(a, b *disruption.Command) int { return cmp.Compare(a.Candidates[0].Name(), b.Candidates[0].Name()) })
	for _, command := range commands {
		k.must(k.commands.Reconcile(k.ctx, command.Candidates[0].NodeClaim))
	}
}
