package cas_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"k8s-scalers/windtunnel/scalers/cas"
)

// world is the cluster of one scenario: it does what the conventions of the recording say its harness did.
type world struct {
	t        *testing.T
	scenario *scenario
	start    time.Time
	now      time.Time

	groups    []*worldGroup
	nodes     map[string]*corev1.Node
	pods      map[string]*corev1.Pod
	daemons   []*appsv1.DaemonSet
	budgets   []*policyv1.PodDisruptionBudget
	allowance []int32
	replicas  map[string]int32
	changes   []change

	removed []removal
	scaled  []scaleUp
	told    []notTriggered
}

type worldGroup struct {
	group
	target    int
	instances []string
	// coming is instances that have not registered, and when they will; booting those that are not ready yet.
	coming, booting map[string]time.Time
	created         int
}

func newWorld(t *testing.T, s *scenario) *world {
	w := &world{
		t: t, scenario: s, start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), nodes: map[string]*corev1.Node{},
		pods: map[string]*corev1.Pod{}, replicas: map[string]int32{}, changes: slices.Clone(s.LaterChanges),
	}
	w.now = w.start
	for _, g := range s.Groups {
		group := &worldGroup{group: g, target: g.Size, coming: map[string]time.Time{}, booting: map[string]time.Time{}}
		for i := range g.Size {
			name := fmt.Sprintf("%s-node-%d", g.Name, i)
			node := g.node(name, w.start.Add(-time.Hour), !slices.Contains(g.NotReadyNodes, name))
			node.Annotations = g.NodeAnnotations[name]
			w.nodes[name] = node
			group.instances = append(group.instances, name)
		}
		w.groups = append(w.groups, group)
	}
	for _, g := range s.NodesOutsideGroups {
		w.nodes[g.Name] = g.node(g.Name, w.start.Add(-time.Hour), true)
	}
	for _, d := range s.DaemonSets {
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: d.Name, UID: types.UID("DaemonSet/" + d.Name)}}
		set.Spec.Template.Spec.Containers = container(d.CPU, d.Memory, 0)
		set.Spec.Template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		w.daemons = append(w.daemons, set)
	}
	for _, p := range s.PDBs {
		pdb := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}}
		pdb.Spec.Selector = &metav1.LabelSelector{MatchLabels: p.MatchLabels}
		pdb.Status.DisruptionsAllowed = p.DisruptionsAllowed
		w.budgets = append(w.budgets, pdb)
		w.allowance = append(w.allowance, p.DisruptionsAllowed)
	}
	for _, p := range s.Pods {
		w.add(p, w.start.Add(-10*time.Minute))
	}
	return w
}

func (w *world) add(p pod, created time.Time) {
	count := p.Count
	name := func(i int) string { return fmt.Sprintf("%s-%d", p.Name, i) }
	if count == 0 {
		count, name = 1, func(int) string { return p.Name }
	}
	if p.Namespace == "" {
		p.Namespace = "default"
	}
	if p.Owner != "JobGone" {
		w.replicas[p.ownerKind()+"/"+p.Namespace+"/"+p.ownerName()] = int32(max(count, p.OwnerReplicas))
		if p.OwnerReplicas > 0 {
			w.replicas[p.ownerKind()+"/"+p.Namespace+"/"+p.ownerName()] = int32(p.OwnerReplicas)
		}
	}
	for i := range count {
		made := p.make(name(i), created)
		w.pods[made.Namespace+"/"+made.Name] = made
	}
}

// run goes through the loops of the scenario.
func (w *world) run() {
	options, err := cas.ParseFlags(w.scenario.Flags)
	require.NoError(w.t, err)
	if w.scenario.ClusterMaxCores > 0 {
		options.CoresTotal.Max = w.scenario.ClusterMaxCores
	}
	autoscaler, err := cas.New(options, w, rand.New(rand.NewPCG(1, 1)), w.start)
	require.NoError(w.t, err)
	end := w.start.Add(time.Duration(w.scenario.Duration) * time.Second)
	for loop := w.start; loop.Before(end) || loop.Equal(w.start); loop = loop.Add(10 * time.Second) {
		for {
			wake, waiting := autoscaler.Wake()
			if !waiting || wake.After(loop) {
				break
			}
			w.tick(wake)
			_, err := autoscaler.Advance(wake)
			require.NoError(w.t, err)
		}
		w.tick(loop)
		w.change()
		for i, allowed := range w.allowance {
			w.budgets[i].Status.DisruptionsAllowed = allowed
		}
		report, err := autoscaler.Step(loop)
		require.NoError(w.t, err)
		for _, pod := range report.NotHelped {
			w.told = append(w.told, notTriggered{int(loop.Sub(w.start).Seconds()), pod.Name, pod.Reason})
		}
		if w.scenario.BindsPendingPods {
			w.bindPending()
		}
	}
}

func (w *world) tick(now time.Time) {
	w.now = now
	for _, g := range w.groups {
		for name, at := range g.coming {
			if !at.After(now) {
				delete(g.coming, name)
				w.register(g, name, at)
			}
		}
		for name, at := range g.booting {
			if node := w.nodes[name]; node != nil && !at.After(now) {
				delete(g.booting, name)
				node.Status.Conditions[0].Status = corev1.ConditionTrue
				node.Status.Conditions[0].LastTransitionTime = metav1.NewTime(at)
				node.Spec.Taints = nil
			}
		}
	}
}

func (w *world) register(g *worldGroup, name string, at time.Time) {
	w.nodes[name] = g.node(name, at, g.ReadinessDelay == 0)
	if g.ReadinessDelay > 0 {
		g.booting[name] = at.Add(time.Duration(g.ReadinessDelay) * time.Second)
	}
}

func (w *world) change() {
	for len(w.changes) > 0 && !w.start.Add(time.Duration(w.changes[0].At)*time.Second).After(w.now) {
		c := w.changes[0]
		w.changes = w.changes[1:]
		if c.DeletePod != "" {
			delete(w.pods, "default/"+c.DeletePod)
		}
		if c.AddPod != nil {
			w.add(*c.AddPod, w.start.Add(time.Duration(c.At)*time.Second))
		}
	}
}

func (w *world) bindPending() {
	for _, name := range sorted(w.pods) {
		if pod := w.pods[name]; pod.Spec.NodeName == "" {
			if node := w.room(pod, ""); node != "" {
				pod.Spec.NodeName = node
				pod.Status.Conditions = nil
			}
		}
	}
}

// room is the first node in name order that is untainted, ready, chosen by the pod's selector, and has room.
func (w *world) room(pod *corev1.Pod, not string) string {
	for _, name := range sorted(w.nodes) {
		node := w.nodes[name]
		free := *node.Status.Allocatable.Cpu()
		memory := *node.Status.Allocatable.Memory()
		for _, other := range w.pods {
			if other.Spec.NodeName == name {
				free.Sub(*other.Spec.Containers[0].Resources.Requests.Cpu())
				memory.Sub(*other.Spec.Containers[0].Resources.Requests.Memory())
			}
		}
		blocked := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule })
		chosen := true
		for label, value := range pod.Spec.NodeSelector {
			chosen = chosen && node.Labels[label] == value
		}
		wanted := pod.Spec.Containers[0].Resources.Requests
		if name != not && !blocked && chosen && free.Cmp(*wanted.Cpu()) >= 0 && memory.Cmp(*wanted.Memory()) >= 0 {
			return name
		}
	}
	return ""
}

// The rest is cas.Cluster.

func (w *world) State() cas.State {
	s := cas.State{DaemonSets: w.daemons, Budgets: w.budgets, Priorities: w.scenario.PriorityExpanderConfig}
	for _, g := range w.groups {
		s.Groups = append(s.Groups, cas.Group{
			Name: g.Name, Min: g.Min, Max: g.Max, Target: g.target, Instances: slices.Clone(g.instances),
			Template: g.node("template", w.now, true),
		})
	}
	for _, node := range w.nodes {
		s.Nodes = append(s.Nodes, node.DeepCopy())
	}
	for _, pod := range w.pods {
		s.Pods = append(s.Pods, pod.DeepCopy())
	}
	s.Replicas = func(kind, namespace, name string) (int32, bool) {
		replicas, found := w.replicas[kind+"/"+namespace+"/"+name]
		return replicas, found || kind == "DaemonSet"
	}
	return s
}

func (w *world) find(name string) *worldGroup {
	at := slices.IndexFunc(w.groups, func(g *worldGroup) bool { return g.Name == name })
	require.GreaterOrEqual(w.t, at, 0)
	return w.groups[at]
}

func (w *world) Resize(name string, delta int) error {
	g := w.find(name)
	require.LessOrEqual(w.t, g.target+delta, g.Max)
	g.target += delta
	if delta < 0 {
		return nil
	}
	w.scaled = append(w.scaled, scaleUp{int(w.now.Sub(w.start).Seconds()), name, delta, g.target})
	for range delta {
		g.created++
		instance := fmt.Sprintf("%s-new-%d", g.Name, g.created)
		g.instances = append(g.instances, instance)
		if g.RegistrationDelay > 0 {
			g.coming[instance] = w.now.Add(time.Duration(g.RegistrationDelay) * time.Second)
			continue
		}
		w.register(g, instance, w.now)
	}
	return nil
}

func (w *world) Delete(name, node string) error {
	g := w.find(name)
	require.Contains(w.t, g.instances, node)
	g.instances = slices.DeleteFunc(g.instances, func(other string) bool { return other == node })
	g.target--
	if w.nodes[node] != nil {
		w.removed = append(w.removed, removal{int(w.now.Sub(w.start).Seconds()), node})
	}
	delete(w.nodes, node)
	for name, pod := range w.pods {
		if pod.Spec.NodeName == node {
			delete(w.pods, name)
		}
	}
	return nil
}

func (w *world) Taint(name string, taint corev1.Taint, on bool) {
	node := w.nodes[name]
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == taint.Key })
	if on {
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
}

func (w *world) Evict(namespace, name string) bool {
	pod := w.pods[namespace+"/"+name]
	for _, pdb := range w.budgets {
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		require.NoError(w.t, err)
		if pdb.Namespace != namespace || !selector.Matches(set(pod.Labels)) {
			continue
		}
		if pdb.Status.DisruptionsAllowed < 1 {
			return false
		}
		pdb.Status.DisruptionsAllowed--
	}
	delete(w.pods, namespace+"/"+name)
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind == "Job" || owner.Kind == "DaemonSet" {
		return true
	}
	again := pod.DeepCopy()
	again.Name += "-r"
	again.UID = types.UID(namespace + "/" + again.Name)
	again.CreationTimestamp = metav1.NewTime(w.now)
	again.Spec.NodeName = w.room(pod, pod.Spec.NodeName)
	if again.Spec.NodeName == "" {
		again.Status.Conditions = pendingConditions
	}
	w.pods[namespace+"/"+again.Name] = again
	return true
}

func (g group) node(name string, created time.Time, ready bool) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(created), Labels: map[string]string{
		corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", corev1.LabelHostname: name,
	}}}
	maps.Copy(node.Labels, g.Labels)
	list := func(cpu, memory int64) corev1.ResourceList {
		pods := g.MaxPods
		if pods == 0 {
			pods = 110
		}
		return corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(cpu, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(memory<<20, resource.BinarySI),
			corev1.ResourcePods:   *resource.NewQuantity(pods, resource.DecimalSI),
		}
	}
	node.Status.Allocatable = list(g.AllocatableCPU, g.AllocatableMemory)
	cpu, memory := g.CapacityCPU, g.CapacityMemory
	if cpu == 0 {
		cpu = g.AllocatableCPU
	}
	if memory == 0 {
		memory = g.AllocatableMemory
	}
	node.Status.Capacity = list(cpu, memory)
	for _, t := range g.Taints {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	status := corev1.ConditionTrue
	if !ready {
		status = corev1.ConditionFalse
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
	}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(created)}}
	return node
}

var pendingConditions = []corev1.PodCondition{{
	Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
}}

func (p pod) ownerKind() string { return strings.TrimSuffix(p.Owner, "Gone") }

func (p pod) ownerName() string {
	name, _, _ := strings.Cut(p.Name, "@")
	return name
}

func container(cpu, memory int64, hostPort int32) []corev1.Container {
	c := corev1.Container{Name: "main", Image: "example.com/main:1"}
	c.Resources.Requests = corev1.ResourceList{}
	if cpu > 0 {
		c.Resources.Requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(cpu, resource.DecimalSI)
	}
	if memory > 0 {
		c.Resources.Requests[corev1.ResourceMemory] = *resource.NewQuantity(memory<<20, resource.BinarySI)
	}
	if hostPort > 0 {
		c.Ports = []corev1.ContainerPort{{ContainerPort: hostPort, HostPort: hostPort, Protocol: corev1.ProtocolTCP}}
	}
	return []corev1.Container{c}
}
