package cas

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// templates remembers what the nodes of each group look like. A group with a node that has been ready for a minute looks
// like that node, with the DaemonSet pods that run on it; one that had such a node looks as that did; any other looks as
// the cloud says, and is charged every DaemonSet that would run there.
type templates struct {
	remembered map[string]*framework.NodeInfo
	forceAll   bool
}

func (t *templates) of(state *view, now time.Time) map[string]*framework.NodeInfo {
	const stable = time.Minute
	result := map[string]*framework.NodeInfo{}
	for _, node := range state.nodes {
		group := state.groupOf[node.Name]
		if group == nil || result[group.Name] != nil {
			continue
		}
		ready, since := readiness(node)
		if !ready || !since.Add(stable).Before(now) || node.Spec.Unschedulable || hasTaint(node, ToBeDeleted) {
			continue
		}
		info := template(group.Name, node, podsOf(state.snapshot.nodes[node.Name]), state.DaemonSets, t.forceAll)
		result[group.Name], t.remembered[group.Name] = info, info
	}
	for i := range state.Groups {
		group := &state.Groups[i]
		switch {
		case result[group.Name] != nil:
		case t.remembered[group.Name] != nil:
			result[group.Name] = t.remembered[group.Name]
		case group.Template != nil:
			result[group.Name] = template(group.Name, group.Template, nil, state.DaemonSets, true)
		}
	}
	return result
}

func template(group string, like *corev1.Node, pods []*corev1.Pod, sets []*appsv1.DaemonSet, forceAll bool) *framework.NodeInfo {
	node := fresh(like, "template-node-for-"+group)
	info := nodeInfo(node)
	running := map[string]bool{}
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			continue
		}
		if isMirror(pod) || isDaemon(pod) {
			info.AddPod(moved(pod, node.Name))
		}
		if owner := controller(pod); owner != nil && owner.Kind == "DaemonSet" {
			running[string(owner.UID)] = true
		}
	}
	for _, set := range sets {
		if running[string(set.UID)] || !forceAll && !nodeCritical(set) {
			continue
		}
		if should, _ := daemon.NodeShouldRunDaemonPod(klog.Background(), node, set); should {
			pod := daemon.NewPod(set, node.Name)
			pod.Name = set.Name + "-on-" + node.Name
			pod.OwnerReferences = nil
			info.AddPod(pod)
		}
	}
	return info
}

// nodeCritical pods push others off a node, so that they will run on it whatever else does.
func nodeCritical(set *appsv1.DaemonSet) bool {
	spec := set.Spec.Template.Spec
	preempts := spec.PreemptionPolicy == nil || *spec.PreemptionPolicy == corev1.PreemptLowerPriority
	return spec.PriorityClassName == "system-node-critical" && preempts
}

func moved(pod *corev1.Pod, node string) *corev1.Pod {
	copied := pod.DeepCopy()
	copied.Name += "-on-" + node
	copied.Spec.NodeName = node
	return copied
}

// another is one more node of a template, under a name of its own.
func another(of *framework.NodeInfo, suffix string) *framework.NodeInfo {
	node := fresh(of.Node(), fmt.Sprintf("%s-%s", of.Node().Name, suffix))
	info := nodeInfo(node)
	for _, pod := range podsOf(of) {
		info.AddPod(moved(pod, node.Name))
	}
	return info
}
