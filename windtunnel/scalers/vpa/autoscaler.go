package vpa

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	admission "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	lister "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/listers/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/config"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input"
	inputmetrics "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/metrics"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/oom"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/limitrange"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/klog/v2"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/metrics"
)

// Flags are those of the recommender that matter most; what is 0 has the recommender's default.
type Flags struct {
	// PodMinCPU in cores and PodMinMemory in bytes are the least that is recommended for a pod, whatever its policy says.
	PodMinCPU, PodMinMemory float64
}

// Autoscaler is the Vertical Pod Autoscaler. Whoever drives the cluster calls Step.
type Autoscaler struct {
	store       store
	lister      lister.VerticalPodAutoscalerLister
	recommender routines.Recommender
	webhook     admission.Handler
	updater     *updater
	interval    time.Duration
	next        time.Time
}

// New makes an autoscaler. It must be called before the informers of the cluster start. Updated is told of each pod that is changed.
func New(c *cluster.Cluster, pipeline *metrics.Pipeline, flags Flags, now time.Time, updated func(Update)) (*Autoscaler, error) {
	defaults := config.DefaultRecommenderConfig()
	if flags.PodMinCPU > 0 {
		defaults.PodMinCPUMillicores = flags.PodMinCPU * 1000
	}
	if flags.PodMinMemory > 0 {
		defaults.PodMinMemoryMb = flags.PodMinMemory / (1 << 20)
	}
	a := &Autoscaler{store: newStore(), interval: defaults.MetricsFetcherInterval, next: now.Add(defaults.MetricsFetcherInterval)}
	a.lister = lister.NewVerticalPodAutoscalerLister(a.store)
	ooms := oom.NewObserver()
	if _, err := c.Informers.Core().V1().Pods().Informer().AddEventHandler(ooms); err != nil {
		return nil, fmt.Errorf("let the VPA recommender see pods that run out of memory: %w", err)
	}
	model.InitializeAggregationsConfig(model.NewAggregationsConfig(defaults.MemoryAggregationInterval, defaults.MemoryAggregationIntervalCount,
		defaults.MemoryHistogramDecayHalfLife, defaults.CpuHistogramDecayHalfLife, defaults.OOMBumpUpRatio, defaults.OOMMinBumpUp))
	find := targets{c.API}
	state := model.NewClusterState(time.Hour)
	a.recommender = routines.RecommenderFactory{
		ClusterState: state,
		ClusterStateFeeder: input.ClusterStateFeederFactory{
			ClusterState:    state,
			MetricsClient:   inputmetrics.NewMetricsClient(usage{pipeline}, corev1.NamespaceAll, "windtunnel"),
			VpaLister:       a.lister,
			PodLister:       pods{api: c.API},
			OOMObserver:     ooms,
			SelectorFetcher: find, ControllerFetcher: find,
			RecommenderName: defaults.RecommenderName,
		}.Make(),
		ControllerFetcher: find,
		VpaClient:         a.store,
		PodResourceRecommender: logic.CreatePodResourceRecommender(logic.RecommendationConfig{
			SafetyMarginFraction: defaults.SafetyMarginFraction,
			PodMinCPUMillicores:  defaults.PodMinCPUMillicores, PodMinMemoryMb: defaults.PodMinMemoryMb,
			TargetCPUPercentile: defaults.TargetCPUPercentile, TargetMemoryPercentile: defaults.TargetMemoryPercentile,
			LowerBoundCPUPercentile: defaults.LowerBoundCPUPercentile, LowerBoundMemoryPercentile: defaults.LowerBoundMemoryPercentile,
			UpperBoundCPUPercentile: defaults.UpperBoundCPUPercentile, UpperBoundMemoryPercentile: defaults.UpperBoundMemoryPercentile,
			ConfidenceIntervalCPU: defaults.ConfidenceIntervalCPU, ConfidenceIntervalMemory: defaults.ConfidenceIntervalMemory,
		}),
		RecommendationFormat:         logic.RecommendationFormat{RoundCPUMillicores: defaults.RoundCPUMillicores, RoundMemoryBytes: defaults.RoundMemoryBytes},
		RecommendationPostProcessors: []routines.RecommendationPostProcessor{routines.NewCappingRecommendationProcessor(corev1.ResourceList{})},
		CheckpointsWriteTimeout:      defaults.CheckpointsWriteTimeout,
		// One worker, so that what happens at one moment has one order.
		UpdateWorkerCount: 1,
	}.Make()
	limits := limitrange.NewNoopLimitsCalculator()
	processor := vpautil.NewCappingRecommendationProcessor(limits)
	provider := recommendation.NewProvider(limits, processor)
	a.webhook = newWebhook(a.store, find, provider)
	a.updater = newUpdater(c, a.lister, find, provider, processor, updated)
	c.Admit(a.admit)
	return a, nil
}

// Add takes a VerticalPodAutoscaler in.
func (a *Autoscaler) Add(v *vpav1.VerticalPodAutoscaler, now time.Time) error {
	v = v.DeepCopy()
	v.CreationTimestamp.Time = now
	return a.store.Add(v)
}

// Step does what is due, and tells whether it did anything: each minute the recommender takes in the usage of all pods and recommends
// anew, and the updater looks whose pods are too far from that. Everything else must wait meanwhile.
func (a *Autoscaler) Step(now time.Time) bool {
	if now.Before(a.next) || len(a.store.ListKeys()) == 0 {
		return false
	}
	a.next = now.Add(a.interval)
	a.recommender.RunOnce()
	if err := a.updater.runOnce(context.Background(), now); err != nil {
		klog.ErrorS(err, "VPA updater")
	}
	return true
}

// Get returns a VerticalPodAutoscaler with the newest recommendation, and its mode.
func (a *Autoscaler) Get(namespace, name string) (*vpav1.VerticalPodAutoscaler, vpav1.UpdateMode, error) {
	v, err := a.lister.VerticalPodAutoscalers(namespace).Get(name)
	if err != nil {
		return nil, "", err
	}
	return v, vpautil.GetUpdateMode(v), nil
}
