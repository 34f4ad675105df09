package cas

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// snapshot is nodes with their pods, as the scheduler's plugins see them. A fork shares nodes with what it was forked from
// until it changes them, so that a what-if costs what it touches.
type snapshot struct {
	order []string
	nodes map[string]*framework.NodeInfo
	own   map[string]bool
	list  []fwk.NodeInfo // of the order; nil when it must be made again
}

func newSnapshot(nodes []*corev1.Node, pods []*corev1.Pod) *snapshot {
	s := &snapshot{nodes: make(map[string]*framework.NodeInfo, len(nodes)), own: map[string]bool{}}
	for _, node := range nodes {
		s.add(nodeInfo(node))
	}
	for _, pod := range pods {
		if info := s.nodes[pod.Spec.NodeName]; info != nil {
			info.AddPod(pod)
		}
	}
	return s
}

func nodeInfo(node *corev1.Node) *framework.NodeInfo {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	return info
}

func (s *snapshot) fork() *snapshot {
	return &snapshot{order: slices.Clone(s.order), nodes: maps.Clone(s.nodes), own: map[string]bool{}, list: slices.Clone(s.list)}
}

func (s *snapshot) add(info *framework.NodeInfo) {
	name := info.Node().Name
	if s.nodes[name] == nil {
		s.order = append(s.order, name)
	}
	s.nodes[name], s.own[name], s.list = info, true, nil
}

func (s *snapshot) remove(name string) {
	if s.nodes[name] == nil {
		return
	}
	delete(s.nodes, name)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == name })
	s.list = nil
}

// change is the node for writing.
func (s *snapshot) change(name string) *framework.NodeInfo {
	info := s.nodes[name]
	if info == nil || s.own[name] {
		return info
	}
	info = info.SnapshotConcrete()
	s.nodes[name], s.own[name], s.list = info, true, nil
	return info
}

// bind puts a pod on a node.
func (s *snapshot) bind(pod *corev1.Pod, node string) {
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	s.change(node).AddPod(bound)
}

func podsOf(info *framework.NodeInfo) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(info.Pods))
	for _, pod := range info.Pods {
		pods = append(pods, pod.GetPod())
	}
	return pods
}

// The rest is the scheduler's SharedLister.

func (s *snapshot) List() ([]fwk.NodeInfo, error) {
	if s.list == nil {
		s.list = make([]fwk.NodeInfo, 0, len(s.order))
		for _, name := range s.order {
			s.list = append(s.list, s.nodes[name])
		}
	}
	return s.list, nil
}

func (s *snapshot) having(has func(fwk.NodeInfo) bool) ([]fwk.NodeInfo, error) {
	all, err := s.List()
	var some []fwk.NodeInfo
	for _, info := range all {
		if has(info) {
			some = append(some, info)
		}
	}
	return some, err
}

func (s *snapshot) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(info fwk.NodeInfo) bool { return len(info.GetPodsWithAffinity()) > 0 })
}

func (s *snapshot) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(info fwk.NodeInfo) bool { return len(info.GetPodsWithRequiredAntiAffinity()) > 0 })
}

func (s *snapshot) HavePodsWithRequiredNonHostScopedAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(info fwk.NodeInfo) bool { return len(info.GetPodsWithRequiredNonHostScopedAntiAffinity()) > 0 })
}

func (s *snapshot) Get(name string) (fwk.NodeInfo, error) {
	if info := s.nodes[name]; info != nil {
		return info, nil
	}
	return nil, errNoNode
}
