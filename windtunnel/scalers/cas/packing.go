package cas

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// packer finds places for pods, where they found one last time if that still holds.
type packer struct {
	scheduler  *scheduler
	hints, old map[string]string
}

func newPacker(s *scheduler) *packer {
	return &packer{scheduler: s, hints: map[string]string{}, old: map[string]string{}}
}

// place puts pods on acceptable nodes, those of higher priority first, and returns the ones that it could not place. With
// stop it gives up at the first of them.
func (p *packer) place(on *snapshot, pods []*corev1.Pod, stop bool, acceptable func(string) bool) []*corev1.Pod {
	pods = slices.Clone(pods)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return priority(b) - priority(a) })
	var left []*corev1.Pod
	var hopeless similar
	for len(pods) > 0 {
		n := 1
		for n < len(pods) && priority(pods[n]) == priority(pods[0]) {
			n++
		}
		var rest []*corev1.Pod
		for _, pod := range pods[:n] {
			if !p.hinted(on, pod, acceptable) {
				rest = append(rest, pod)
			}
		}
		for _, pod := range rest {
			if !hopeless.has(pod) {
				if node, found := p.scheduler.anywhere(on, pod, acceptable); found {
					p.hints[key(pod)] = node
					continue
				}
				hopeless.add(pod)
			}
			left = append(left, pod)
			if stop {
				return left
			}
		}
		pods = pods[n:]
	}
	return left
}

func (p *packer) hinted(on *snapshot, pod *corev1.Pod, acceptable func(string) bool) bool {
	name := key(pod)
	node := p.hints[name]
	if node == "" {
		node = p.old[name]
	}
	if node == "" || on.nodes[node] == nil || !acceptable(node) || p.scheduler.schedule(on, pod, node) != nil {
		return false
	}
	p.hints[name] = node
	return true
}

// forget drops the hints that were not used since it was last called.
func (p *packer) forget() { p.old, p.hints = p.hints, map[string]string{} }

// similar is pods that a simulation treats alike: those of one controller with the same labels and specification.
type similar struct{ kinds map[string][]*corev1.Pod }

// kindsPerController bounds the search among pods of one controller.
const kindsPerController = 10

func (s *similar) has(pod *corev1.Pod) bool {
	owner := controller(pod)
	return owner != nil && slices.ContainsFunc(s.kinds[string(owner.UID)], func(other *corev1.Pod) bool { return alike(pod, other) })
}

func (s *similar) add(pod *corev1.Pod) {
	owner := controller(pod)
	if owner == nil || isDaemon(pod) || len(s.kinds[string(owner.UID)]) >= kindsPerController {
		return
	}
	if s.kinds == nil {
		s.kinds = map[string][]*corev1.Pod{}
	}
	s.kinds[string(owner.UID)] = append(s.kinds[string(owner.UID)], pod)
}

func alike(a, b *corev1.Pod) bool {
	return reflect.DeepEqual(a.Labels, b.Labels) && reflect.DeepEqual(&a.Spec, &b.Spec)
}

// kind is pending pods that are alike; one stands for all.
type kind struct {
	pods []*corev1.Pod
	// fits is the groups whose nodes could hold one of them, rejected why the others could not.
	fits     []string
	rejected map[string][]string
}

// kinds sorts pending pods by what they are like.
func kinds(pods []*corev1.Pod) []*kind {
	var all []*kind
	byOwner := map[string][]*kind{}
	for _, pod := range pods {
		owner := controller(pod)
		if owner == nil || isDaemon(pod) {
			all = append(all, &kind{pods: []*corev1.Pod{pod}, rejected: map[string][]string{}})
			continue
		}
		known := byOwner[string(owner.UID)]
		if at := slices.IndexFunc(known, func(k *kind) bool { return alike(k.pods[0], pod) }); at >= 0 {
			known[at].pods = append(known[at].pods, pod)
			continue
		}
		k := &kind{pods: []*corev1.Pod{pod}, rejected: map[string][]string{}}
		all = append(all, k)
		if len(known) < kindsPerController {
			byOwner[string(owner.UID)] = append(known, k)
		}
	}
	return all
}
