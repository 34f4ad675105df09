package cluster

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Timing is how long the steps of a pod's life take. Each call is one draw.
type Timing struct {
	// Pull is for an image that the node does not have.
	Pull func(image string) time.Duration
	// Start is from the start of the container until its process answers a readiness probe.
	Start func(pod *corev1.Pod) time.Duration
}

// Work is what runs in pods, as far as the kubelet must know.
type Work interface {
	// Idle tells whether a pod that was told to stop has nothing left to do.
	Idle(pod *Pod) bool
	// Kill ends what a pod has in hand.
	Kill(pod *Pod)
	// Gone says that a pod will not come back.
	Gone(pod *Pod)
}

// Pod is a pod on a node, as the models of what runs in it see it.
type Pod struct {
	UID             types.UID
	Namespace, Name string
	Node            string
	Labels          map[string]string
	// Owner is the UID of the ReplicaSet or other controller.
	Owner types.UID
	// Containers in the order of the manifest, with what was requested when the pod was created.
	Containers []Container
	// Started is when the containers last started; zero before. Ready is whether requests come in; Stopping whether it was told to end.
	Started         time.Time
	Ready, Stopping bool
	// Restarts counts how often the containers were started again.
	Restarts int

	pulled, ready, killAt, stopAfter time.Time
	deleted                          bool
	generation                       int64
}

// Container is what a container may use: cores and bytes; 0 is no limit, or nothing requested.
type Container struct {
	Name                                             string
	CPURequest, CPULimit, MemoryRequest, MemoryLimit float64
	HasCPURequest, HasMemoryRequest                  bool
	initialDelay, period, preStop                    time.Duration
}

// Kubelet takes bound pods through their lives: it pulls images, starts containers, marks pods ready at the next probe
// after their process answers, restarts what was killed for its memory with the usual back-off, and ends pods within their
// grace period. It stands in for the kubelets of all nodes; it does not run anything, and it has no eviction.
//
// Its rules are those of Kubernetes' documentation of the pod life cycle: a readiness probe runs every periodSeconds
// from initialDelaySeconds on, a pod is NotReady as soon as it is told to stop, SIGKILL comes when the grace period ends,
// and the back-off of restarts is 10 s doubled up to 5 min and forgotten after 10 min.
type Kubelet struct {
	api    *API
	timing Timing
	work   Work

	changes *Changes
	pods    map[types.UID]*Pod
	byKey   map[types.NamespacedName]*Pod
	// due holds what must be looked at each step: pods on their way up or down.
	moving map[types.UID]*Pod
	images map[string]map[string]bool
	sorted []*Pod
	stale  bool
	// version counts how often sorted was made anew.
	version int
}

// NewKubelet serves the pods of a cluster from now on.
func NewKubelet(api *API, timing Timing, work Work) *Kubelet {
	k := &Kubelet{
		api: api, timing: timing, work: work,
		changes: api.Changes(podResource), pods: map[types.UID]*Pod{}, byKey: map[types.NamespacedName]*Pod{}, moving: map[types.UID]*Pod{},
		images: map[string]map[string]bool{},
	}
	return k
}

// Pods are all pods that have a node, sorted by name. The slice is good until the next Step.
func (k *Kubelet) Pods() []*Pod {
	if k.stale {
		k.version++
		k.sorted = k.sorted[:0]
		for _, p := range k.pods {
			k.sorted = append(k.sorted, p)
		}
		slices.SortFunc(k.sorted, byName)
		k.stale = false
	}
	return k.sorted
}

func byName(a, b *Pod) int {
	return compareNames(a.Namespace, a.Name, b.Namespace, b.Name)
}

func compareNames(namespaceA, a, namespaceB, b string) int {
	return cmp.Or(cmp.Compare(namespaceA, namespaceB), cmp.Compare(a, b))
}

// Version changes when Pods do.
func (k *Kubelet) Version() int {
	k.Pods()
	return k.version
}

// Step does everything that is due now. Everything else in the bubble must wait meanwhile.
func (k *Kubelet) Step(now time.Time) {
	k.notice(now)
	moving := make([]*Pod, 0, len(k.moving))
	for _, p := range k.moving {
		moving = append(moving, p)
	}
	slices.SortFunc(moving, byName)
	for _, p := range moving {
		k.move(p, now)
	}
}

// notice takes in what changed since the last step.
func (k *Kubelet) notice(now time.Time) {
	for _, key := range k.changes.Take() {
		var pod *corev1.Pod
		_ = k.api.store.transact(func(t txn) error {
			if object, err := t.get(podResource, key); err == nil {
				pod = object.(*corev1.Pod)
			}
			return nil
		})
		if pod == nil || pod.Spec.NodeName == "" {
			k.vanished(key, "")
			continue
		}
		k.vanished(key, pod.UID)
		p := k.pods[pod.UID]
		if p == nil {
			p = k.admit(pod, now)
		}
		if pod.Generation != p.generation {
			// Resized in place: what may be used changes at once, without a restart.
			p.generation, p.Containers = pod.Generation, containers(pod)
		}
		if pod.DeletionTimestamp != nil && !p.deleted {
			p.deleted = true
			k.terminate(p, pod, now)
		}
	}
}

// vanished forgets pods of a name other than the one that has it now.
func (k *Kubelet) vanished(key types.NamespacedName, now types.UID) {
	if p := k.byKey[key]; p != nil && p.UID != now {
		k.work.Kill(p)
		k.forget(p)
	}
}

func (k *Kubelet) forget(p *Pod) {
	delete(k.pods, p.UID)
	delete(k.moving, p.UID)
	delete(k.byKey, types.NamespacedName{Namespace: p.Namespace, Name: p.Name})
	k.work.Gone(p)
	k.stale = true
}

func (k *Kubelet) admit(pod *corev1.Pod, now time.Time) *Pod {
	p := &Pod{
		UID: pod.UID, Namespace: pod.Namespace, Name: pod.Name, Node: pod.Spec.NodeName, Labels: pod.Labels,
		Containers: containers(pod), generation: pod.Generation,
	}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		p.Owner = owner.UID
	}
	images := k.images[p.Node]
	if images == nil {
		images = map[string]bool{}
		k.images[p.Node] = images
	}
	p.pulled = now
	for _, c := range pod.Spec.Containers {
		if !images[c.Image] {
			images[c.Image] = true
			p.pulled = p.pulled.Add(k.timing.Pull(c.Image))
		}
	}
	k.pods[p.UID], k.moving[p.UID] = p, p
	k.byKey[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	k.stale = true
	return p
}

// NodeGone forgets the images of a node.
func (k *Kubelet) NodeGone(node string) { delete(k.images, node) }

// terminate starts the end of a pod.
func (k *Kubelet) terminate(p *Pod, pod *corev1.Pod, now time.Time) {
	p.Stopping, p.Ready = true, false
	p.killAt = pod.DeletionTimestamp.Time
	p.stopAfter = now
	for _, c := range p.Containers {
		if at := now.Add(c.preStop); at.After(p.stopAfter) {
			p.stopAfter = at
		}
	}
	k.moving[p.UID] = p
	k.change(p, func(pod *corev1.Pod) {
		setPodCondition(pod, corev1.PodReady, corev1.ConditionFalse, "PodTerminating", now)
	})
}

func (k *Kubelet) move(p *Pod, now time.Time) {
	switch {
	case p.Stopping:
		switch {
		case !now.Before(p.killAt):
			k.work.Kill(p)
		case now.Before(p.stopAfter) || !p.Started.IsZero() && !k.work.Idle(p):
			return
		}
		k.forget(p)
		zero := int64(0)
		_ = k.api.Delete(podResource, p.Namespace, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
	case p.Started.IsZero():
		if !now.Before(p.pulled) {
			k.start(p, now)
		}
	case !now.Before(p.ready):
		p.Ready = true
		delete(k.moving, p.UID)
		k.change(p, func(pod *corev1.Pod) {
			setPodCondition(pod, corev1.PodReady, corev1.ConditionTrue, "", now)
			setPodCondition(pod, corev1.ContainersReady, corev1.ConditionTrue, "", now)
			for i := range pod.Status.ContainerStatuses {
				pod.Status.ContainerStatuses[i].Ready = true
			}
		})
	}
}

func (k *Kubelet) start(p *Pod, now time.Time) {
	p.Started = now
	first := p.Restarts == 0
	k.change(p, func(pod *corev1.Pod) {
		at := metav1.NewTime(now)
		if first {
			p.ready = firstProbe(p, now, k.timing.Start(pod))
			pod.Status.StartTime = &at
			setPodCondition(pod, corev1.PodInitialized, corev1.ConditionTrue, "", now)
			setPodCondition(pod, corev1.PodReady, corev1.ConditionFalse, "ContainersNotReady", now)
			setPodCondition(pod, corev1.ContainersReady, corev1.ConditionFalse, "ContainersNotReady", now)
			pod.Status.ContainerStatuses = nil
			for _, c := range pod.Spec.Containers {
				pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image})
			}
		} else {
			p.ready = firstProbe(p, now, k.timing.Start(pod))
		}
		pod.Status.Phase = corev1.PodRunning
		for i := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}
			pod.Status.ContainerStatuses[i].RestartCount = int32(p.Restarts)
		}
	})
}

// OutOfMemory kills a container that used more than its limit; the kubelet starts it again after its back-off.
func (k *Kubelet) OutOfMemory(p *Pod, container string, now time.Time) {
	if p.Stopping || p.Started.IsZero() {
		return
	}
	k.work.Kill(p)
	if now.Sub(p.Started) > 10*time.Minute {
		p.Restarts = max(p.Restarts, 1)
		p.pulled = now
	} else {
		p.pulled = now.Add(min(10*time.Second<<min(p.Restarts, 5), 5*time.Minute))
	}
	killed := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: "OOMKilled", ExitCode: 137, StartedAt: metav1.NewTime(p.Started), FinishedAt: metav1.NewTime(now),
	}}
	p.Started, p.Ready = time.Time{}, false
	p.Restarts++
	k.moving[p.UID] = p
	// Two steps, as watchers of a real kubelet see them: VPA's recommender takes the first one for the news.
	k.changeContainer(p, container, func(pod *corev1.Pod, status *corev1.ContainerStatus) {
		setPodCondition(pod, corev1.PodReady, corev1.ConditionFalse, "ContainersNotReady", now)
		setPodCondition(pod, corev1.ContainersReady, corev1.ConditionFalse, "ContainersNotReady", now)
		status.Ready, status.State = false, killed
	})
	k.changeContainer(p, container, func(_ *corev1.Pod, status *corev1.ContainerStatus) {
		status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		status.LastTerminationState, status.RestartCount = killed, int32(p.Restarts)
	})
}

// changeContainer changes the status of one container, and of its pod.
func (k *Kubelet) changeContainer(p *Pod, container string, change func(*corev1.Pod, *corev1.ContainerStatus)) {
	k.change(p, func(pod *corev1.Pod) {
		for i := range pod.Status.ContainerStatuses {
			if status := &pod.Status.ContainerStatuses[i]; status.Name == container {
				change(pod, status)
			}
		}
	})
}

func (k *Kubelet) change(p *Pod, change func(*corev1.Pod)) {
	// A pod that is gone meanwhile is noticed at the next step.
	_ = k.api.Change(podResource, p.Namespace, p.Name, func(object Object) { change(object.(*corev1.Pod)) })
}

// firstProbe is when the last container is found ready: at its first probe after its process answers.
func firstProbe(p *Pod, started time.Time, answers time.Duration) time.Time {
	ready := started.Add(answers)
	for _, c := range p.Containers {
		at := started.Add(c.initialDelay)
		if wait := started.Add(answers).Sub(at); wait > 0 && c.period > 0 {
			at = at.Add(wait + (c.period-wait%c.period)%c.period)
		}
		if at.After(ready) {
			ready = at
		}
	}
	return ready
}

func containers(pod *corev1.Pod) []Container {
	var list []Container
	for _, c := range pod.Spec.Containers {
		container := Container{Name: c.Name}
		container.CPURequest, container.HasCPURequest = amount(c.Resources.Requests, corev1.ResourceCPU)
		container.MemoryRequest, container.HasMemoryRequest = amount(c.Resources.Requests, corev1.ResourceMemory)
		container.CPULimit, _ = amount(c.Resources.Limits, corev1.ResourceCPU)
		container.MemoryLimit, _ = amount(c.Resources.Limits, corev1.ResourceMemory)
		if probe := c.ReadinessProbe; probe != nil {
			container.initialDelay = time.Duration(probe.InitialDelaySeconds) * time.Second
			container.period = time.Duration(max(probe.PeriodSeconds, 1)) * time.Second
		}
		if l := c.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
			container.preStop = time.Duration(l.PreStop.Sleep.Seconds) * time.Second
		}
		list = append(list, container)
	}
	return list
}

func amount(of corev1.ResourceList, name corev1.ResourceName) (float64, bool) {
	quantity, found := of[name]
	if !found {
		return 0, false
	}
	return asFloat(quantity), true
}

func asFloat(q resource.Quantity) float64 { return q.AsApproximateFloat64() }
