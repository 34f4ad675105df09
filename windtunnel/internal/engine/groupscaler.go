package engine

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/cas"
)

const clusterAutoscaler = "cluster-autoscaler"

var replicaSetResource = schema.GroupResource{Group: "apps", Resource: "replicasets"}

// groupScaler is Cluster Autoscaler, over the groups of a fleet.
type groupScaler struct {
	f          *fleet
	options    cas.Options
	autoscaler *cas.Autoscaler
	next       time.Time
	priorities string
}

var _ cas.Cluster = (*groupScaler)(nil)

// newGroupScaler is the autoscaler that the manifests deploy; nil where they deploy none.
func newGroupScaler(f *fleet, w *world) (*groupScaler, error) {
	deployed, at := w.clusterAutoscaler()
	if deployed == nil {
		return nil, nil
	}
	// What is in the cluster has no commands; see slim.
	written, err := manifest.As[appsv1.Deployment](deployed.source)
	if err != nil {
		return nil, err
	}
	container := &written.Spec.Template.Spec.Containers[at]
	var known []string
	for _, flag := range flagsOf(container) {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		switch {
		case cas.Knows(name):
			known = append(known, flag)
		case !slices.Contains(harmlessFlags, name):
			f.run.leftOut(deployed.source, "the flag --"+name+" has no effect", "spec", "template", "spec", "containers")
		}
	}
	options, err := cas.ParseFlags(known)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", deployed.source.Position("spec", "template", "spec", "containers"), deployed.source.Ref(), err)
	}
	if !slices.ContainsFunc(f.groups, func(g *nodeGroup) bool { return *g.spec.Max > *g.spec.Min }) {
		f.run.warn(deployed.source, "it can never do anything: no group in cluster.nodes of the scenario has a max above its min")
	}
	s := &groupScaler{f: f, options: options, priorities: f.run.expanderPriorities(deployed.object.Namespace)}
	s.next = time.Now()
	s.autoscaler, err = cas.New(options, s, f.run.random(clusterAutoscaler), s.next)
	return s, err
}

// clusterAutoscaler is the Deployment that runs it, known by its image, and which of its containers that is.
func (w *world) clusterAutoscaler() (*sourced[*appsv1.Deployment], int) {
	for i := range w.deployments {
		containers := w.deployments[i].object.Spec.Template.Spec.Containers
		for k := range containers {
			image, _, _ := strings.Cut(path.Base(containers[k].Image), ":")
			if image, _, _ = strings.Cut(image, "@"); image == clusterAutoscaler {
				return &w.deployments[i], k
			}
		}
	}
	return nil, 0
}

// harmlessFlags change nothing that a run could show: which cloud it is, how groups are found, and how it logs and serves.
var harmlessFlags = []string{
	"cloud-provider", "cloud-config", "cluster-name", "node-group-auto-discovery", "nodes", "namespace", "kubeconfig", "leader-elect",
	"logtostderr", "stderrthreshold", "v", "address", "profiling", "write-status-configmap", "status-config-map-name", "aws-use-static-instance-list",
	"kube-client-qps", "kube-client-burst", "record-duplicated-events", "regional", "max-inactivity", "max-failing-time",
}

// flagsOf is the flags of a container, each as --name=value.
func flagsOf(container *corev1.Container) []string {
	var flags []string
	for _, arg := range slices.Concat(container.Command, container.Args) {
		switch last := len(flags) - 1; {
		case strings.HasPrefix(arg, "-"):
			flags = append(flags, arg)
		case last >= 0 && !strings.Contains(flags[last], "="):
			flags[last] += "=" + arg
		}
	}
	return flags
}

// expanderPriorities is what the priority expander reads.
func (r *run) expanderPriorities(namespace string) string {
	for _, o := range r.Objects {
		if o.GetKind() == "ConfigMap" && o.GetName() == "cluster-autoscaler-priority-expander" && o.GetNamespace() == namespace {
			text, _, _ := unstructured.NestedString(o.Object, "data", "priorities")
			return text
		}
	}
	return ""
}

// step lets the autoscaler act as far as it is time to.
func (s *groupScaler) step(now time.Time) error {
	if wake, waiting := s.autoscaler.Wake(); waiting && !wake.After(now) {
		did, err := s.autoscaler.Advance(now)
		s.tell(did)
		if err != nil {
			return err
		}
	}
	if s.next.After(now) {
		return nil
	}
	s.next = now.Add(s.options.ScanInterval)
	did, err := s.autoscaler.Step(now)
	s.tell(did)
	return err
}

func (s *groupScaler) tell(did cas.Report) {
	decide := func(kind, object, from, to, reason string) {
		s.f.run.deciding.add(report.Decision{Scaler: clusterAutoscaler, Kind: kind, Object: object, From: from, To: to, Reason: reason})
	}
	for _, up := range slices.Concat(did.ScaleUps, did.Shrunk) {
		decide(report.KindNodes, "node group "+up.Group, strconv.Itoa(up.From), strconv.Itoa(up.To), up.Reason)
	}
	for _, n := range did.Removed {
		decide(report.KindNodes, "node "+n.Node, "", "removed", n.Reason)
	}
	for _, n := range did.Kept {
		decide(report.KindOther, "node "+n.Node, "", "kept", n.Reason)
	}
	for _, pod := range did.NotHelped {
		name := pod.Namespace + "/" + pod.Name
		if o, err := s.f.run.cluster.Get(podResource, pod.Namespace, pod.Name); err == nil {
			if l := s.f.run.loadOf(pod.Namespace, o.GetLabels()); l != nil {
				name = l.id()
			}
		}
		s.f.run.deciding.failed(nil, fmt.Sprintf("%s could not help pods of %s: %s", clusterAutoscaler, name, pod.Reason))
	}
}

func (s *groupScaler) group(name string) *nodeGroup {
	for _, g := range s.f.groups {
		if g.spec.Name == name {
			return g
		}
	}
	return nil
}

// State implements cas.Cluster.
func (s *groupScaler) State() cas.State {
	state := cas.State{DaemonSets: s.f.daemons.sets, Budgets: s.f.run.cluster.Budgets(), Replicas: s.replicas, Priorities: s.priorities}
	for _, g := range s.f.groups {
		group := cas.Group{Name: g.spec.Name, Min: *g.spec.Min, Max: *g.spec.Max, Target: g.target, Template: s.f.template(g)}
		_, all := s.f.members(g)
		for _, m := range all {
			group.Instances = append(group.Instances, m.name())
		}
		state.Groups = append(state.Groups, group)
	}
	for _, o := range s.f.run.cluster.Peek(nodeResource) {
		state.Nodes = append(state.Nodes, o.(*corev1.Node))
	}
	for _, o := range s.f.run.cluster.Peek(podResource) {
		state.Pods = append(state.Pods, o.(*corev1.Pod))
	}
	return state
}

// template is a node as the group would start it next.
func (f *fleet) template(g *nodeGroup) *corev1.Node {
	made := g.made
	node := f.next(g).newNode()
	g.made = made
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	return node
}

func (s *groupScaler) replicas(kind, namespace, name string) (int32, bool) {
	if kind != "ReplicaSet" {
		return 0, true
	}
	o, err := s.f.run.cluster.Get(replicaSetResource, namespace, name)
	if err != nil {
		return 0, false
	}
	if replicas := o.(*appsv1.ReplicaSet).Spec.Replicas; replicas != nil {
		return *replicas, true
	}
	return 1, true
}

// Resize implements cas.Cluster.
func (s *groupScaler) Resize(name string, delta int) error {
	g := s.group(name)
	staying, _ := s.f.members(g)
	if to := g.target + delta; delta < 0 && to < len(staying) {
		return fmt.Errorf("group %s has %d instances; it cannot shrink to %d without one being named", name, len(staying), to)
	}
	g.target += delta
	for range delta {
		if err := s.f.machines.launch(s.f.next(g), false, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements cas.Cluster.
func (s *groupScaler) Delete(group, node string) error {
	m := s.f.machines.find(node)
	if m == nil {
		return fmt.Errorf("there is no instance %s", node)
	}
	// The group has asked for another one already where the notice of its end was heard.
	if !s.f.leaving(m) {
		s.group(group).target--
	}
	s.f.machines.terminate(m)
	return nil
}

// Taint implements cas.Cluster.
func (s *groupScaler) Taint(name string, taint corev1.Taint, on bool) {
	// A node that is gone needs no taint.
	_ = s.f.run.cluster.Change(nodeResource, "", name, func(o cluster.Object) {
		node := o.(*corev1.Node)
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
		if on {
			node.Spec.Taints = append(node.Spec.Taints, taint)
		}
	})
}

// Evict implements cas.Cluster.
func (s *groupScaler) Evict(namespace, name string) bool {
	err := s.f.run.evict(namespace, name, nil)
	return err == nil || apierrors.IsNotFound(err)
}
