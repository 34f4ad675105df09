package vpa

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/patch"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	lister "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/listers/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/config"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/inplace"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/priority"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/restriction"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/utils"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"k8s-scalers/windtunnel/cluster"
)

// Update is what the updater did to a pod.
type Update struct {
	VPA *vpav1.VerticalPodAutoscaler
	Pod *corev1.Pod
	// Evicted is true where the pod was evicted, so that its successor gets the recommendation; else it was resized in place.
	Evicted bool
}

// updater applies recommendations to running pods. The loop is written here to the rules of the updater's RunOnce; what it calls is
// the updater's own.
type updater struct {
	api       *cluster.API
	lister    lister.VerticalPodAutoscalerLister
	find      targets
	config    *config.UpdaterConfig
	factory   restriction.PodsRestrictionFactory
	processor vpautil.RecommendationProcessor
	direction priority.PodEvictionAdmission
	updated   func(Update)
}

func newUpdater(c *cluster.Cluster, list lister.VerticalPodAutoscalerLister, find targets, provider recommendation.Provider,
	processor vpautil.RecommendationProcessor, updated func(Update)) *updater {
	defaults := config.DefaultUpdaterConfig()
	calculators := []patch.Calculator{
		inplace.NewResourceInPlaceUpdatesCalculator(provider), inplace.NewInPlaceUpdatedCalculator(), inplace.NewUnboostAnnotationCalculator(),
	}
	// It counts the replicas of a pod's owner.
	c.Informers.Apps().V1().ReplicaSets().Informer()
	return &updater{
		api: c.API, lister: list, find: find, config: defaults, processor: processor, updated: updated,
		factory: restriction.NewPodsRestrictionFactory(c.Client, c.Informers, defaults.MinReplicas, defaults.EvictionToleranceFraction,
			calculators, defaults.InPlaceSkipDisruptionBudget),
		direction: priority.NewScalingDirectionPodEvictionAdmission(),
	}
}

// runOnce looks at all pods under VerticalPodAutoscalers whose mode changes running pods.
func (u *updater) runOnce(ctx context.Context, now time.Time) error {
	all, err := u.lister.List(labels.Everything())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *vpav1.VerticalPodAutoscaler) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var acting []*vpautil.VpaWithSelector
	for _, v := range all {
		switch vpautil.GetUpdateMode(v) {
		case vpav1.UpdateModeRecreate, vpav1.UpdateModeAuto, vpav1.UpdateModeInPlaceOrRecreate: //nolint:staticcheck // Auto still means Recreate.
			if selector, err := u.find.Fetch(ctx, v); err == nil {
				acting = append(acting, &vpautil.VpaWithSelector{Vpa: v, Selector: selector})
			}
		}
	}
	if len(acting) == 0 {
		u.direction.CleanUp()
		return nil
	}
	var live []*corev1.Pod
	controlled := map[*vpav1.VerticalPodAutoscaler][]*corev1.Pod{}
	for _, o := range u.api.Peek(podResource) {
		pod := o.(*corev1.Pod)
		if pod.DeletionTimestamp != nil {
			continue
		}
		live = append(live, pod)
		if by := vpautil.GetControllingVPAForPod(ctx, pod, acting, u.find); by != nil {
			controlled[by.Vpa] = append(controlled[by.Vpa], pod)
		}
	}
	u.direction.LoopInit(live, controlled)
	for _, a := range acting {
		if err := u.update(a.Vpa, controlled[a.Vpa], now); err != nil {
			return err
		}
	}
	return nil
}

// update changes the pods of one VerticalPodAutoscaler, those that need it most first, as far as their group may be disturbed.
func (u *updater) update(v *vpav1.VerticalPodAutoscaler, pods []*corev1.Pod, now time.Time) error {
	groups, groupOf, err := u.factory.GetCreatorMaps(pods, v)
	if err != nil {
		return err
	}
	inPlace, evictions := u.factory.NewPodsInPlaceRestriction(groups, groupOf), u.factory.NewPodsEvictionRestriction(groups, groupOf)
	events := &record.FakeRecorder{} // Without a channel it takes events and forgets them.
	var evict []*corev1.Pod
	if vpautil.GetUpdateMode(v) == vpav1.UpdateModeInPlaceOrRecreate {
		var able []*corev1.Pod
		for _, pod := range pods {
			if d := inPlace.CanInPlaceUpdate(pod, v, nil); d == utils.InPlaceApproved || d == utils.InPlaceEvict {
				able = append(able, pod)
			}
		}
		for _, pod := range u.inOrder(v, able, now) {
			switch inPlace.CanInPlaceUpdate(pod, v, nil) {
			case utils.InPlaceApproved:
				if err := inPlace.InPlaceUpdate(pod, v, events); err != nil {
					klog.V(2).InfoS("In-place update failed; the pod is evicted", "pod", klog.KObj(pod), "err", err)
					evict = append(evict, pod)
					continue
				}
				u.updated(Update{VPA: v, Pod: pod})
			case utils.InPlaceEvict:
				evict = append(evict, pod)
			}
		}
	} else {
		var able []*corev1.Pod
		for _, pod := range pods {
			if evictions.CanEvict(pod) {
				able = append(able, pod)
			}
		}
		evict = u.inOrder(v, able, now)
	}
	for _, pod := range evict {
		if !evictions.CanEvict(pod) {
			continue
		}
		// A disruption budget may forbid it; the next minute tries again.
		if err := evictions.Evict(pod, v, events); err == nil {
			u.updated(Update{VPA: v, Pod: pod, Evicted: true})
		}
	}
	return nil
}

// inOrder is the pods that need an update, the most urgent first.
func (u *updater) inOrder(v *vpav1.VerticalPodAutoscaler, pods []*corev1.Pod, now time.Time) []*corev1.Pod {
	calculator := priority.NewUpdatePriorityCalculator(v, priority.UpdateConfig{
		MinChangePriority: u.config.DefaultUpdateThreshold, PodLifetimeUpdateThreshold: u.config.PodLifetimeUpdateThreshold,
		EvictAfterOOMThreshold: u.config.EvictAfterOOMThreshold,
	}, u.processor, priority.NewProcessor())
	for _, pod := range pods {
		calculator.AddPod(pod, now, nil)
	}
	return calculator.GetSortedPods(u.direction)
}
