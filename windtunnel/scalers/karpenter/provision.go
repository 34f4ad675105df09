package karpenter

// Provisioning: what asks for nodes, the window in which pods are batched, and the claims that are made for them.

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/metrics"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// retrigger is how often a pod that still has no node, and a node whose pods must go, ask again.
const retrigger = 10 * time.Second

func (k *Karpenter) trigger(now time.Time) {
	for _, pod := range k.config.API.Unbound() {
		if !podutils.IsProvisionable(pod) {
			continue
		}
		k.every("trigger", string(pod.UID), now, func() (reconcile.Result, error) {
			k.batch.trigger(string(pod.UID), now)
			k.state.AckPods(pod)
			return reconcile.Result{RequeueAfter: retrigger}, nil
		})
	}
	for _, o := range k.config.API.Peek(nodeResource) {
		node := o.(*corev1.Node)
		if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) }) {
			k.every("trigger", node.Name, now, func() (reconcile.Result, error) {
				k.batch.trigger(node.Name, now)
				return reconcile.Result{RequeueAfter: retrigger}, nil
			})
		}
	}
}

// The window in which pods are batched, as the original has it by default.
const (
	batchIdle = time.Second
	batchMax  = 10 * time.Second
)

type batch struct {
	first, last time.Time
	seen        map[string]bool
}

func (b *batch) trigger(what string, now time.Time) {
	if b.seen[what] {
		return
	}
	if b.seen == nil {
		b.seen, b.first = map[string]bool{}, now
	}
	b.seen[what], b.last = true, now
}

func (b *batch) due(now time.Time) bool {
	return b.seen != nil && (now.Sub(b.last) >= batchIdle || now.Sub(b.first) >= batchMax)
}

// provision makes claims for the pods that have no node.
func (k *Karpenter) provision() {
	results, err := k.provisioner.Schedule(k.ctx)
	if err != nil {
		k.config.Failed(err, "karpenter: provisioning")
		return
	}
	for _, claim := range results.NewNodeClaims {
		name, err := k.provisioner.Create(k.ctx, claim, provisioning.WithReason(metrics.ProvisionedReason), provisioning.RecordPodNomination)
		if err != nil {
			k.config.Failed(err, "karpenter: provisioning")
			continue
		}
		need := "1 pod needs"
		if n := len(claim.Pods); n != 1 {
			need = fmt.Sprintf("%d pods need", n)
		}
		k.config.Decided(Decision{
			Object: "node " + name, To: "asked for",
			Reason: fmt.Sprintf("%s a node; pool %s has %d types for that", need, claim.NodePoolName, len(claim.InstanceTypeOptions)),
		})
	}
}
