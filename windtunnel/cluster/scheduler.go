package cluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/utils/clock"
)

// Scheduler is kube-scheduler with its default profile, its queues and its cache. What it lacks is the loop that waits for
// pods: Step runs its scheduling cycles while there is a pod to schedule, so that pods get nodes when it is their turn and
// in an order that does not depend on goroutines. Three things keep its decisions repeatable: it filters nodes one after the
// other, no two pods enter its queue at the same time, and ties between nodes in preemption go by name.
//
// One difference is left: the original looks at once again at a pod whose back-off has not ended if nothing else waits; here
// the back-off, at most 10 s, ends first.
type Scheduler struct {
	ctx       context.Context
	hearing   *hearing
	scheduler *scheduler.Scheduler
}

// NewScheduler makes the scheduler of a cluster. The informers of the cluster must be started afterwards.
func NewScheduler(ctx context.Context, c *Cluster) (*Scheduler, error) {
	profile, err := profile()
	if err != nil {
		return nil, err
	}
	// With a context that has ended, nothing is started that publishes metrics every second for as long as it lives, which
	// would take most of the time of a run.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	hearing := &hearing{SharedInformerFactory: c.Informers}
	s, err := scheduler.New(ended, c.fake, hearing, nil, noEvents,
		scheduler.WithProfiles(*profile), scheduler.WithFrameworkOutOfTreeRegistry(frameworkruntime.Registry{preemptionName: newPreemption}),
		scheduler.WithParallelism(1), scheduler.WithClock(&distinct{}))
	if err != nil {
		return nil, fmt.Errorf("make kube-scheduler: %w", err)
	}
	s.NextEntity = func(logger klog.Logger) (framework.QueuedEntityInfo, error) {
		if len(s.SchedulingQueue.PodsInActiveQ()) == 0 {
			return nil, nil // Popping would wait for a pod.
		}
		return s.SchedulingQueue.Pop(logger)
	}
	return &Scheduler{ctx: ctx, hearing: hearing, scheduler: s}, nil
}

// Start begins the timers that bring pods back into the queue. The informers must have synchronized.
func (s *Scheduler) Start() { s.scheduler.SchedulingQueue.Run(klog.FromContext(s.ctx)) }

// Stop ends what Start began.
func (s *Scheduler) Stop() { s.scheduler.SchedulingQueue.Close() }

// Step schedules pods until none is left that could be scheduled now. After each it calls settle, which must wait until
// everything else does.
func (s *Scheduler) Step(settle func()) {
	for s.hearing.listen(); len(s.scheduler.SchedulingQueue.PodsInActiveQ()) > 0; s.hearing.listen() {
		s.scheduler.ScheduleOne(s.ctx)
		settle()
	}
}

// profile is the default one with the preemption of this package.
func profile() (*config.KubeSchedulerProfile, error) {
	defaults, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("default configuration of kube-scheduler: %w", err)
	}
	profile := defaults.Profiles[0].DeepCopy()
	plugins := profile.Plugins.MultiPoint.Enabled
	for i := range plugins {
		if plugins[i].Name == defaultpreemption.Name {
			plugins[i].Name = preemptionName
		}
	}
	for i := range profile.PluginConfig {
		if profile.PluginConfig[i].Name == defaultpreemption.Name {
			profile.PluginConfig[i].Name = preemptionName
		}
	}
	return profile, nil
}

// noEvents makes recorders that throw events away: what matters of them stands in the conditions of pods.
func noEvents(string) events.EventRecorderLogger { return &events.FakeRecorder{} }

// distinct is the clock with a nanosecond more each time it is read, so that pods which come at one moment have an order.
type distinct struct {
	clock.RealClock
	read atomic.Int64
}

func (d *distinct) Now() time.Time { return d.RealClock.Now().Add(time.Duration(d.read.Add(1))) }

const preemptionName = "RepeatablePreemption"

func newPreemption(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	original, err := defaultpreemption.New(ctx, args, handle, feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate))
	if err != nil {
		return nil, fmt.Errorf("preemption of kube-scheduler: %w", err)
	}
	p := &repeatablePreemption{original}
	original.Evaluator.PluginName, original.Evaluator.Interface = preemptionName, p
	return p, nil
}

// UnschedulableReason is why the scheduler could not give a pod a node when it last tried, in its words; empty where it has
// not tried.
func UnschedulableReason(pod *corev1.Pod) string {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return ""
}
