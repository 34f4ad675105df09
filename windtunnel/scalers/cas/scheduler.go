package cas

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

var errNoNode = errors.New("there is no such node")

// filters are the scheduler's plugins that forbid a node to a pod, without those for storage and devices.
var filters = []string{
	names.NodeUnschedulable, names.NodeName, names.TaintToleration, names.NodeAffinity, names.NodePorts,
	names.NodeResourcesFit, names.PodTopologySpread, names.InterPodAffinity,
}

// scheduler asks the real plugins of kube-scheduler whether a pod fits a node.
type scheduler struct {
	framework framework.Framework
	// current is the snapshot that the plugins see; it is set for each question.
	current *snapshot
	// last is where the previous search ended; the next one begins after it, so that pods are spread over the nodes.
	last int
}

func newScheduler() (*scheduler, error) {
	defaults, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("default configuration of kube-scheduler: %w", err)
	}
	profile := defaults.Profiles[0].DeepCopy()
	profile.PluginConfig = slices.DeleteFunc(profile.PluginConfig, func(c config.PluginConfig) bool { return !slices.Contains(filters, c.Name) })
	var set config.PluginSet
	for _, name := range filters {
		set.Enabled = append(set.Enabled, config.Plugin{Name: name})
	}
	profile.Plugins = &config.Plugins{
		PreFilter: withPreFilter(set), Filter: set,
		// The framework insists on these two.
		QueueSort: config.PluginSet{Enabled: []config.Plugin{{Name: names.PrioritySort}}},
		Bind:      config.PluginSet{Enabled: []config.Plugin{{Name: names.DefaultBinder}}},
	}
	s := &scheduler{}
	metrics.InitMetrics()
	// A context that has ended already, so that the framework does not flush metrics every second for as long as it lives.
	ended, cancel := context.WithCancel(klog.NewContext(context.Background(), klog.Background().V(10)))
	cancel()
	client := fake.NewSimpleClientset() // Its successor takes far longer to make, and nothing is read from it.
	s.framework, err = runtime.NewFramework(ended, plugins.NewInTreeRegistry(), profile,
		runtime.WithInformerFactory(informers.NewSharedInformerFactory(client, 0)),
		runtime.WithSnapshotSharedLister(s), runtime.WithParallelism(1))
	if err != nil {
		return nil, fmt.Errorf("plugins of kube-scheduler: %w", err)
	}
	return s, nil
}

func withPreFilter(all config.PluginSet) config.PluginSet {
	none := []string{names.NodeUnschedulable, names.NodeName, names.TaintToleration}
	all.Enabled = slices.DeleteFunc(slices.Clone(all.Enabled), func(p config.Plugin) bool { return slices.Contains(none, p.Name) })
	return all
}

// fits gives the reasons why a pod may not go to a node, in the scheduler's words; nil when it may.
func (s *scheduler) fits(on *snapshot, pod *corev1.Pod, node string) []string {
	s.current = on
	state, result, refused := s.prefilter(pod)
	if refused != nil {
		return refused
	}
	info := on.nodes[node]
	if info == nil {
		return []string{errNoNode.Error()}
	}
	if !result.AllNodes() && !result.NodeNames.Has(node) {
		return []string{}
	}
	return reasons(s.framework.RunFilterPlugins(context.Background(), state, pod, info))
}

// anywhere puts the pod on the first acceptable node that it fits, beginning after the last one found, and names it.
func (s *scheduler) anywhere(on *snapshot, pod *corev1.Pod, acceptable func(name string) bool) (string, bool) {
	s.current = on
	state, result, refused := s.prefilter(pod)
	if refused != nil {
		return "", false
	}
	n := len(on.order)
	for i := range n {
		at := (i + 1 + s.last) % n
		name := on.order[at]
		if !acceptable(name) || !result.AllNodes() && !result.NodeNames.Has(name) {
			continue
		}
		info := on.nodes[name]
		if info.Node().Spec.Unschedulable {
			continue
		}
		if s.framework.RunFilterPlugins(context.Background(), state, pod, info).IsSuccess() {
			s.last = at
			on.bind(pod, name)
			return name, true
		}
	}
	return "", false
}

// schedule puts the pod on this node if it fits, or says why not.
func (s *scheduler) schedule(on *snapshot, pod *corev1.Pod, node string) []string {
	if refused := s.fits(on, pod, node); refused != nil {
		return refused
	}
	on.bind(pod, node)
	return nil
}

func (s *scheduler) prefilter(pod *corev1.Pod) (fwk.CycleState, *fwk.PreFilterResult, []string) {
	state := framework.NewCycleState()
	result, status, _ := s.framework.RunPreFilterPlugins(context.Background(), state, pod)
	return state, result, reasons(status)
}

func reasons(status *fwk.Status) []string {
	if status.IsSuccess() {
		return nil
	}
	if list := status.Reasons(); list != nil {
		return list
	}
	return []string{}
}

// The scheduler is the SharedLister of its own framework and hands on the current snapshot.

func (s *scheduler) NodeInfos() fwk.NodeInfoLister       { return s.current }
func (s *scheduler) StorageInfos() fwk.StorageInfoLister { return noStorage{} }

func (s *scheduler) PodGroupStates() fwk.PodGroupStateLister                   { return nil }
func (s *scheduler) PodGroups() fwk.PodGroupLister                             { return nil }
func (s *scheduler) CompositePodGroupStates() fwk.CompositePodGroupStateLister { return nil }
func (s *scheduler) CompositePodGroups() fwk.CompositePodGroupLister           { return nil }

type noStorage struct{}

func (noStorage) IsPVCUsedByPods(string) bool { return false }
