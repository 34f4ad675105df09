package cas

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Annotations of pods that the original knows.
const (
	safeToEvict        = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	safeToEvictVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
	scaleDownDisabled  = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
)

type outcome int

const (
	undecided outcome = iota
	skip              // the pod does not count
	drain             // the pod may be moved, whatever the rules after this one say
	wait              // the node goes when the pod has ended
	block             // the pod keeps the node
)

// drainage is what draining a node would mean.
type drainage struct {
	move       []*corev1.Pod
	completing []*corev1.Pod
	blocked    string // why the node cannot be drained; empty when it can
}

// judge applies the rules for pods on a node that might go.
type judge struct {
	options  *Options
	now      time.Time
	budgets  *budgets
	replicas func(kind, namespace, name string) (int32, bool) // nil: not asked
}

func (j judge) drainage(pods []*corev1.Pod) drainage {
	var d drainage
	for _, pod := range pods {
		verdict, why := j.pod(pod)
		switch verdict {
		case block:
			d.blocked = why
			return d
		case wait:
			d.completing = append(d.completing, pod)
		case undecided, drain:
			if !isDaemon(pod) {
				d.move = append(d.move, pod)
			}
		case skip:
		}
	}
	return d
}

// pod goes through the rules in the original's order; the first that decides, decides.
func (j judge) pod(pod *corev1.Pod) (outcome, string) {
	if isMirror(pod) || longTerminating(pod, j.now) {
		return skip, ""
	}
	if why := j.controller(pod); why != "" {
		return block, why
	}
	switch safe := pod.Annotations[safeToEvict]; {
	case isDaemon(pod), safe == "true", terminal(pod):
		return drain, ""
	case safe == "on-completion":
		return wait, ""
	}
	if !j.replicated(pod) {
		return block, fmt.Sprintf("%s has no controller that would make it again", key(pod))
	}
	if j.options.SkipNodesWithSystemPods && pod.Namespace == metav1.NamespaceSystem && len(j.budgets.of(pod)) == 0 {
		// A finished wait ends the rules: not even safe-to-evict=false keeps the pod then.
		if !pod.CreationTimestamp.IsZero() && j.now.After(pod.CreationTimestamp.Add(j.options.BlockingSystemPodTimeout)) {
			return drain, ""
		}
		return block, fmt.Sprintf("%s is a kube-system pod without a PodDisruptionBudget", key(pod))
	}
	if pod.Annotations[safeToEvict] == "false" {
		return block, fmt.Sprintf("%s is annotated as not safe to evict", key(pod))
	}
	if j.options.SkipNodesWithLocalStorage && localStorage(pod) {
		return block, fmt.Sprintf("%s has local storage", key(pod))
	}
	for _, budget := range j.budgets.of(pod) {
		if budget.allowed < 1 {
			return block, fmt.Sprintf("the PodDisruptionBudget %s allows no disruption of %s", budget.name, key(pod))
		}
	}
	return undecided, ""
}

func terminal(pod *corev1.Pod) bool {
	switch pod.Status.Phase {
	case corev1.PodFailed:
		return true
	case corev1.PodSucceeded:
		return pod.Spec.RestartPolicy == corev1.RestartPolicyNever || pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
	}
	return false
}

// replicatedKinds are the controllers of which the original knows that they make a pod again.
var replicatedKinds = []string{"ReplicationController", "Job", "ReplicaSet", "StatefulSet"}

func (j judge) replicated(pod *corev1.Pod) bool {
	owner := controller(pod)
	return owner != nil && (!j.options.SkipNodesWithCustomController || slices.Contains(replicatedKinds, owner.Kind))
}

// controller says what is wrong with the controller of a pod: it is gone, or has too few replicas.
func (j judge) controller(pod *corev1.Pod) string {
	owner := controller(pod)
	if !j.options.SkipNodesWithCustomController || j.replicas == nil || owner == nil {
		return ""
	}
	group, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return ""
	}
	switch kind := owner.Kind; {
	case kind == "ReplicationController", kind == "ReplicaSet", kind == "Job":
	case (kind == "StatefulSet" || kind == "DaemonSet") && group.Group == "apps":
	default:
		return ""
	}
	replicas, exists := j.replicas(owner.Kind, pod.Namespace, owner.Name)
	if !exists {
		return fmt.Sprintf("the %s of %s does not exist", owner.Kind, key(pod))
	}
	counted := owner.Kind == "ReplicaSet" || owner.Kind == "ReplicationController"
	if counted && int(replicas) < j.options.MinReplicaCount {
		return fmt.Sprintf("the %s of %s has %d replicas, the minimum is %d", owner.Kind, key(pod), replicas, j.options.MinReplicaCount)
	}
	return ""
}

func localStorage(pod *corev1.Pod) bool {
	named := strings.Split(pod.Annotations[safeToEvictVolumes], ",")
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		local := v.HostPath != nil || v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory
		return local && !slices.Contains(named, v.Name)
	})
}

// budgets counts down what PodDisruptionBudgets allow within one look at the cluster.
type budgets struct{ all []*budget }

type budget struct {
	name, namespace string
	selector        labels.Selector
	allowed         int
}

func newBudgets(list []*policyv1.PodDisruptionBudget) (*budgets, error) {
	b := &budgets{}
	for _, pdb := range list {
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil {
			return nil, fmt.Errorf("selector of PodDisruptionBudget %s/%s: %w", pdb.Namespace, pdb.Name, err)
		}
		b.all = append(b.all, &budget{pdb.Namespace + "/" + pdb.Name, pdb.Namespace, selector, int(pdb.Status.DisruptionsAllowed)})
	}
	return b, nil
}

func (b *budgets) of(pod *corev1.Pod) []*budget {
	if b == nil {
		return nil
	}
	var matching []*budget
	for _, one := range b.all {
		if one.matches(pod) {
			matching = append(matching, one)
		}
	}
	return matching
}

func (b *budget) matches(pod *corev1.Pod) bool {
	return b.namespace == pod.Namespace && b.selector.Matches(labels.Set(pod.Labels))
}

// take uses the budgets up for pods and tells whether they could all go at the same time.
func (b *budgets) take(pods []*corev1.Pod) (together bool) {
	together = true
	for _, one := range b.all {
		count := 0
		for _, pod := range pods {
			if one.matches(pod) {
				count++
			}
		}
		together = together && count <= one.allowed
		one.allowed -= count
	}
	return together
}
