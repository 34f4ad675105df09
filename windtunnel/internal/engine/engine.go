package engine

import (
	"context"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/metrics"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/hpa"
	"k8s-scalers/windtunnel/scalers/karpenter"
	"k8s-scalers/windtunnel/scenario"
)

// Input of a run.
type Input struct {
	Scenario *scenario.Scenario
	Objects  []*manifest.Object
	// Policy names the manifests, where several are compared.
	Policy string
	// Warned, if not nil, is told before the run what can never work. Progress, if not nil, is told how much virtual time has passed. Stopped, if not nil, tells whether to end early.
	Warned   func([]report.Note)
	Progress func(time.Duration)
	Stopped  func() bool
	// Disturb, if not nil, is for tests; see cluster.Disturb.
	Disturb func()
}

const (
	tick = time.Second
	// phase is how long after a full second the controllers' timers run.
	phase = tick / 2
)

// run is what one run holds.
type run struct {
	Input
	start    time.Time
	scheme   *runtime.Scheme
	cluster  *cluster.Cluster
	kubelet  *cluster.Kubelet
	nodes    nodes
	pipeline *metrics.Pipeline
	loads    []*load
	byPod    map[*cluster.Pod]*load
	deciding *decisions
	// hopeless are the targets whose scaler was found before the run to be one that can never work.
	hopeless map[string]bool
	keda     *operator
	// verticals are the VerticalPodAutoscalers.
	verticals verticals
	result    *report.Result
	scraped   time.Time
}

// nodes is where pods run.
type nodes interface {
	// Start begins once the informers run; Stop ends what Start began.
	Start()
	Stop()
	// Step gives nodes to pods and pods to nodes; everything else waits.
	Step(now time.Time)
	// Begin starts measuring: what was before it is not part of the run.
	Begin(now time.Time)
	// Sample notes the state at a point of the report's axis, Finish the totals.
	Sample(point int)
	Finish(elapsed time.Duration)
	// preflight says which pods can never run.
	preflight(w *world)
}

// Run carries out a run. It must be called in a bubble of package vtime.
func Run(in Input) (*report.Result, error) {
	time.Sleep(weekend)
	r := &run{Input: in, start: time.Now(), byPod: map[*cluster.Pod]*load{}, hopeless: map[string]bool{}}
	r.newResult()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.deciding = newDecisions(r.start.Add(tick))
	ctx = klog.NewContext(ctx, r.deciding.logger())
	defer r.deciding.takeErrors()()

	var err error
	if r.scheme, err = cluster.NewScheme(karpenter.AddToScheme); err != nil {
		return nil, err
	}
	r.cluster = cluster.New(r.scheme)
	if r.Disturb != nil {
		r.cluster.Disturb(r.Disturb)
	}
	world, err := r.fill()
	if err != nil {
		return nil, err
	}
	if err := r.populate(world); err != nil {
		return nil, err
	}
	r.kubelet = cluster.NewKubelet(r.cluster.API, r.timing(), r)
	if r.nodes, err = r.newNodes(ctx, world); err != nil {
		return nil, err
	}
	r.keda = r.newOperator()
	if err := r.operate(world); err != nil {
		return nil, err
	}
	r.preflight(world)
	r.nodes.preflight(world)
	r.pipeline = metrics.New(r.pipelineConfig(), r.start)
	if err := r.recommend(world); err != nil {
		return nil, err
	}
	if r.Warned != nil {
		r.Warned(r.result.Warnings)
	}
	start, wait, err := hpa.Run(ctx, r.cluster, r.pipeline, r.keda.external, cluster.Scales{API: r.cluster.API, Scaled: r.deciding.scaled})
	if err != nil {
		return nil, err
	}
	r.cluster.Informers.Start(ctx.Done())
	r.cluster.Informers.WaitForCacheSync(ctx.Done())
	time.Sleep(phase)
	start()
	r.nodes.Start()
	time.Sleep(tick - phase)
	r.warmUp()
	elapsed := r.loop()
	r.finish(elapsed)
	r.nodes.Stop()
	cancel()
	wait()
	r.cluster.Informers.Shutdown()
	return r.result, nil
}

// loop lets time pass and returns how much has.
func (r *run) loop() time.Duration {
	every := int(r.Scenario.Every / tick)
	steps := int(r.Scenario.Duration / tick)
	r.sample(0)
	for step := 1; step <= steps; step++ {
		served := r.advance()
		time.Sleep(tick)
		served()
		vtime.Settle()
		r.turn()
		if step%every == 0 {
			r.sample(step / every)
		}
		if step%60 == 0 {
			r.cluster.Forget()
			if r.Progress != nil {
				r.Progress(time.Duration(step) * tick)
			}
		}
		if r.Stopped != nil && r.Stopped() {
			return time.Duration(step) * tick
		}
	}
	return time.Duration(steps) * tick
}

// turn lets everything that is not a controller act, one after the other.
func (r *run) turn() {
	now := time.Now()
	r.nodes.Step(now)
	vtime.Settle()
	r.kubelet.Step(now)
	r.outOfMemory(now)
	vtime.Settle()
	if r.pipeline.Due(now) {
		r.scrape(now)
	}
	r.keda.queues.step(now)
	if r.keda.Step(now) {
		vtime.Settle()
	}
	if r.verticals.step(now) {
		vtime.Settle()
	}
}

// random numbers for one purpose: they do not depend on how many others were drawn.
func (r *run) random(purpose string) *rand.Rand { return random(r.Scenario.Seed, purpose) }

func random(seed uint64, purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, seedOf(purpose)))
}

func (r *run) timing() cluster.Timing {
	pulls, starts := r.random("image pulls"), r.random("starts")
	pull, start := r.Scenario.Pods.ImagePull.Of(), r.Scenario.Pods.Start.Of()
	return cluster.Timing{
		Pull: func(string) time.Duration { return seconds(pull.Draw(pulls)) },
		Start: func(pod *corev1.Pod) time.Duration {
			if l := r.loadOf(pod.Namespace, pod.Labels); l != nil && l.spec != nil && l.spec.Start != nil {
				return seconds(l.spec.Start.Of().Draw(starts))
			}
			return seconds(start.Draw(starts))
		},
	}
}

func (r *run) pipelineConfig() metrics.Config {
	config := metrics.Config{Interval: r.Scenario.Metrics.Interval, Delay: r.Scenario.Metrics.Delay}
	for _, gap := range r.Scenario.Metrics.Gaps {
		config.Gaps = append(config.Gaps, metrics.Gap{From: gap.From, To: gap.Until})
	}
	return config
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// newNodes chooses where pods run.
func (r *run) newNodes(ctx context.Context, w *world) (nodes, error) {
	if len(r.Scenario.Cluster.Nodes) == 0 && len(w.pools) == 0 {
		return newEndless(r)
	}
	return newFleet(ctx, r, w)
}
