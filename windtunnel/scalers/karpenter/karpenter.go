package karpenter

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/dynamicresources/deviceallocation"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination/terminator"
	claimdisruption "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/expiration"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/garbagecollection"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/lifecycle"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/podevents"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/hash"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/readiness"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/validation"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/cost"
	"sigs.k8s.io/karpenter/pkg/state/nodepoolhealth"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"k8s-scalers/windtunnel/cluster"
)

// Config of Karpenter.
type Config struct {
	API    *cluster.API
	Scheme *runtime.Scheme
	Cloud  Cloud
	Zones  []string
	// Evict asks for the eviction of a pod, with the errors of the API.
	Evict func(namespace, name string, options *metav1.DeleteOptions) error
	// Decided and Failed are told what was decided and what went wrong, from several goroutines.
	Decided func(Decision)
	Failed  func(err error, message string)
}

// Decision is a change of the nodes.
type Decision struct{ Object, To, Reason string }

// Karpenter is one Karpenter with all its controllers that decide about nodes.
type Karpenter struct {
	config   Config
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
	client   *apiClient
	provider *provider
	state    *state.Cluster

	provisioner *provisioning.Provisioner
	batch       batch
	lifecycle   *lifecycle.Controller
	conditions  *claimdisruption.Controller
	expiration  *expiration.Controller
	garbage     *garbagecollection.Controller
	podEvents   *podevents.Controller
	evictions   *terminator.Queue
	evicted     int
	termination *termination.Controller
	disruption  *disruption.Controller
	commands    *disruption.Queue
	hash        *hash.Controller
	validation  *validation.Controller
	readiness   *readiness.Controller

	nodeState  *informer.NodeController
	podState   *informer.PodController
	claimState *informer.NodeClaimController
	poolState  *informer.NodePoolController
	pricing    *informer.PricingController

	pools, claims, nodes, pods *cluster.Changes
	again                      map[string]time.Time
	placed                     map[types.NamespacedName]placed
	purged                     time.Time
}

// placed is what pod events are told by: whether a pod has a node, and whether it is ending.
type placed struct {
	uid          types.UID
	bound, ended bool
}

var (
	poolResource  = schema.GroupResource{Group: "karpenter.sh", Resource: "nodepools"}
	claimResource = schema.GroupResource{Group: "karpenter.sh", Resource: "nodeclaims"}
	nodeResource  = schema.GroupResource{Resource: "nodes"}
	podResource   = schema.GroupResource{Resource: "pods"}
)

// hurried is a clock on which nobody sleeps. Some reconcilers sleep for a second after a write until their cache has seen
// it; here there is no cache, and they are called one after the other.
type hurried struct{ clock.RealClock }

func (hurried) Sleep(time.Duration) {}

// New makes a Karpenter. Inside of a bubble of virtual time it must be called outside of it: Karpenter makes caches that
// clean themselves in a goroutine for as long as the process lives.
func New(config Config) *Karpenter {
	// Its context can be cancelled from Start on only: what it is cancelled by belongs to a bubble.
	ctx := options.ToContext(log.IntoContext(context.Background(), logr.New(sink{config: &config})), defaultOptions())
	k := &Karpenter{
		config: config, ctx: ctx, again: map[string]time.Time{}, placed: map[types.NamespacedName]placed{},
		client: &apiClient{api: config.API, scheme: config.Scheme, evict: config.Evict},
	}
	k.provider = &provider{cloud: config.Cloud, client: k.client, zones: config.Zones}
	now, recorder := hurried{}, silent{}
	k.state = state.NewCluster(now, k.client, k.provider)
	costs := cost.NewClusterCost(ctx, k.provider, k.client)
	k.provisioner = provisioning.NewProvisioner(k.client, recorder, k.provider, k.state, now,
		deviceallocation.NewController(k.client), virtualpods.NewVirtualPodCache(k.client))
	k.lifecycle = lifecycle.NewController(now, k.client, k.provider, recorder, nodepoolhealth.NewState(), nil)
	k.conditions = claimdisruption.NewController(now, k.client, k.provider)
	k.expiration = expiration.NewController(now, k.client, k.provider)
	k.garbage = garbagecollection.NewController(now, k.client, k.provider)
	k.podEvents = podevents.NewController(now, k.client, k.provider)
	k.commands = disruption.NewQueue(k.client, recorder, k.state, now, k.provisioner)
	methods := disruption.NewMethods(now, k.state, k.client, k.provisioner, k.provider, recorder, k.commands)
	for i := range methods {
		methods[i] = inOrder{methods[i]}
	}
	k.disruption = disruption.NewController(now, k.client, k.provisioner, k.provider, recorder, k.state, k.commands, costs, disruption.WithMethods(methods...))
	k.hash = hash.NewController(k.client, k.provider)
	k.validation = validation.NewController(now, k.client, k.provider)
	k.readiness = readiness.NewController(now, k.client, k.provider)
	k.nodeState = informer.NewNodeController(k.client, k.state)
	k.podState = informer.NewPodController(k.client, k.state)
	k.claimState = informer.NewNodeClaimController(k.client, k.provider, k.state, costs)
	k.poolState = informer.NewNodePoolController(k.client, k.provider, k.state, costs)
	k.pricing = informer.NewPricingController(k.client, k.provider, costs)
	k.newTermination()
	k.pools, k.claims = config.API.Changes(poolResource), config.API.Changes(claimResource)
	k.nodes, k.pods = config.API.Changes(nodeResource), config.API.Changes(podResource)
	return k
}

// defaultOptions are those of the original without any flags or variables of the environment.
func defaultOptions() *options.Options {
	return &options.Options{
		CPURequests: 1000, BatchMaxDuration: batchMax, BatchIdleDuration: batchIdle, IgnoreDRARequests: true,
		PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict,
		FeatureGates: options.DefaultFeatureGates(),
	}
}

// silent throws events away: what matters of them stands in conditions, in the log or in decisions.
type silent struct{}

func (silent) Publish(...events.Event) {}

// inOrder gives a method its candidates in the order of their names. The original takes them from a map; where they cost
// the same, it would be chance which of them go first.
type inOrder struct{ disruption.Method }

func (m inOrder) ComputeCommands(ctx context.Context, budgets map[string]int, candidates ...*disruption.Candidate) ([]disruption.Command, error) {
	slices.SortFunc(candidates, func(a, b *disruption.Candidate) int { return cmp.Compare(a.Name(), b.Name()) })
	return m.Method.ComputeCommands(ctx, budgets, candidates...)
}

// SetNodePoolTotals passes on what the methods that know of it need.
func (m inOrder) SetNodePoolTotals(totals map[string]disruption.NodePoolTotals) {
	if setter, ok := m.Method.(disruption.NodePoolTotalsSetter); ok {
		setter.SetNodePoolTotals(totals)
	}
}

// evictionsPerQueue is how many evictions one queue takes: it notes each in a channel of 10,000, which the controller
// manager of the original reads and nobody reads here.
const evictionsPerQueue = 9000

func (k *Karpenter) newTermination() {
	k.evictions, k.evicted = terminator.NewQueue(k.client, silent{}), 0
	k.termination = termination.NewController(hurried{}, k.client, k.provider, terminator.NewTerminator(hurried{}, k.client, k.evictions, silent{}), silent{})
}

// phase is when in each second disruption is thought about: apart from everything else, because it takes its time between
// a thought and a deed.
const phase = 750 * time.Millisecond

// Start begins to think about disruption.
func (k *Karpenter) Start() {
	k.ctx, k.stop = context.WithCancel(k.ctx)
	k.running.Go(func() {
		wait := time.Duration(0)
		for {
			next := time.Now().Add(wait).Truncate(time.Second).Add(phase)
			if !next.After(time.Now().Add(wait)) {
				next = next.Add(time.Second)
			}
			select {
			case <-time.After(time.Until(next)):
			case <-k.ctx.Done():
				return
			}
			result, err := k.disruption.Reconcile(k.ctx)
			if err != nil && k.ctx.Err() == nil {
				k.config.Failed(err, "karpenter: disruption")
			}
			wait = result.RequeueAfter
		}
	})
}

// Stop ends what Start began.
func (k *Karpenter) Stop() {
	k.stop()
	k.running.Wait()
}

// call runs a reconciler on an object if something that it watches has changed or if it asked for it.
func (k *Karpenter) call(what, name string, changed bool, now time.Time, run func() (reconcile.Result, error)) {
	key := what + " " + name
	at, waiting := k.again[key]
	if !changed && (!waiting || at.After(now)) {
		return
	}
	delete(k.again, key)
	result, err := run()
	switch {
	case err != nil:
		k.config.Failed(err, "karpenter: "+what)
		k.again[key] = now.Add(time.Second)
	case result.RequeueAfter > 0:
		k.again[key] = now.Add(result.RequeueAfter)
	case result.Requeue: //nolint:staticcheck // Karpenter uses it
		k.again[key] = now.Add(time.Second)
	}
}

// every runs a reconciler that always asks to be called again.
func (k *Karpenter) every(what, name string, now time.Time, run func() (reconcile.Result, error)) {
	_, waiting := k.again[what+" "+name]
	k.call(what, name, !waiting, now, run)
}

// purge forgets what was due long ago: its object is gone.
func (k *Karpenter) purge(now time.Time) {
	if now.Sub(k.purged) < time.Hour {
		return
	}
	k.purged = now
	maps.DeleteFunc(k.again, func(_ string, at time.Time) bool { return now.Sub(at) > time.Minute })
}

// Step does everything that is due now. Everything else must wait meanwhile.
func (k *Karpenter) Step(now time.Time) {
	k.purge(now)
	k.stepPools(now)
	changedClaims, changedNodes := k.claims.Take(), k.nodes.Take()
	k.observe(changedClaims, changedNodes, k.pods.Take(), now)
	k.stepClaims(changedClaims, changedNodes, now)
	k.stepTerminations(changedNodes, now)
	k.stepCommands()
	k.trigger(now)
	if k.batch.due(now) && k.state.Synced(k.ctx) {
		k.batch = batch{}
		k.provision()
	}
}

func (k *Karpenter) stepPools(now time.Time) {
	changed := k.pools.Take()
	for _, o := range k.config.API.Peek(poolResource) {
		isChanged := slices.Contains(changed, types.NamespacedName{Name: o.GetName()})
		for _, each := range []struct {
			name string
			run  func(context.Context, *karpv1.NodePool) (reconcile.Result, error)
		}{{"nodepool.hash", k.hash.Reconcile}, {"nodepool.validation", k.validation.Reconcile}, {"nodepool.readiness", k.readiness.Reconcile}} {
			k.call(each.name, o.GetName(), isChanged, now, func() (reconcile.Result, error) {
				pool := &karpv1.NodePool{}
				if err := k.client.Get(k.ctx, keyOf("", o.GetName()), pool); err != nil {
					return reconcile.Result{}, err
				}
				return each.run(k.ctx, pool)
			})
		}
		if isChanged {
			k.must(k.poolState.Reconcile(k.ctx, reconcile.Request{NamespacedName: keyOf("", o.GetName())}))
		}
	}
	k.call("state.pricing", "", len(changed) > 0, now, func() (reconcile.Result, error) {
		result, err := k.pricing.Reconcile(k.ctx)
		return reconcile.Result{RequeueAfter: result.RequeueAfter}, err
	})
}

// must notes an error of something that will be tried again anyway.
func (k *Karpenter) must(_ reconcile.Result, err error) {
	if err != nil {
		k.config.Failed(err, "karpenter")
	}
}

// observe tells Karpenter's view of the cluster what has changed.
func (k *Karpenter) observe(claims, nodes, pods []types.NamespacedName, now time.Time) {
	observe := func(what string, changed []types.NamespacedName, run func(context.Context, reconcile.Request) (reconcile.Result, error)) {
		for _, key := range changed {
			k.call(what, key.String(), true, now, func() (reconcile.Result, error) {
				result, err := run(k.ctx, reconcile.Request{NamespacedName: key})
				// It asks to be called each minute in case that an event was lost. None is.
				result.RequeueAfter = 0
				return result, err
			})
		}
	}
	observe("state.nodeclaim", claims, k.claimState.Reconcile)
	observe("state.node", nodes, k.nodeState.Reconcile)
	observe("state.pod", pods, k.podState.Reconcile)
	for _, key := range pods {
		k.podEvent(key)
	}
}

// podEvent tells about pods that were bound, or that end: after either, a node is left alone for its consolidateAfter.
func (k *Karpenter) podEvent(key types.NamespacedName) {
	pod := &corev1.Pod{}
	if k.client.Get(k.ctx, key, pod) != nil {
		delete(k.placed, key)
		return
	}
	before := k.placed[key]
	if before.uid != pod.UID {
		before = placed{}
	}
	now := placed{pod.UID, pod.Spec.NodeName != "", podutils.IsTerminal(pod) || podutils.IsTerminating(pod)}
	k.placed[key] = now
	if now.bound && (!before.bound || now.ended && !before.ended) {
		k.must(k.podEvents.Reconcile(k.ctx, pod))
	}
}

func (k *Karpenter) stepClaims(changed, nodes []types.NamespacedName, now time.Time) {
	for _, o := range k.config.API.Peek(claimResource) {
		key := types.NamespacedName{Name: o.GetName()}
		isChanged := slices.Contains(changed, key)
		// A node has the name of its claim.
		withNode := isChanged || slices.Contains(nodes, key)
		k.call("nodeclaim.lifecycle", key.Name, withNode, now, k.onClaim(key, k.lifecycle.Reconcile))
		k.call("nodeclaim.disruption", key.Name, isChanged, now, k.onClaim(key, k.conditions.Reconcile))
		k.call("nodeclaim.expiration", key.Name, isChanged, now, k.onClaim(key, k.expiration.Reconcile))
	}
	k.every("nodeclaim.garbagecollection", "", now, func() (reconcile.Result, error) {
		result, err := k.garbage.Reconcile(k.ctx)
		return reconcile.Result{RequeueAfter: result.RequeueAfter}, err
	})
}

func (k *Karpenter) onClaim(key types.NamespacedName, run func(context.Context, *karpv1.NodeClaim) (reconcile.Result, error)) func() (reconcile.Result, error) {
	return func() (reconcile.Result, error) {
		claim := &karpv1.NodeClaim{}
		if k.client.Get(k.ctx, key, claim) != nil {
			return reconcile.Result{}, nil // It is gone meanwhile.
		}
		return run(k.ctx, claim)
	}
}

func (k *Karpenter) stepTerminations(changed []types.NamespacedName, now time.Time) {
	var leaving []string
	for _, o := range k.config.API.Peek(nodeResource) {
		if o.GetDeletionTimestamp() == nil {
			continue
		}
		key := types.NamespacedName{Name: o.GetName()}
		leaving = append(leaving, key.Name)
		k.call("node.termination", key.Name, slices.Contains(changed, key), now, func() (reconcile.Result, error) {
			node := &corev1.Node{}
			if k.client.Get(k.ctx, key, node) != nil {
				return reconcile.Result{}, nil
			}
			return k.termination.Reconcile(k.ctx, node)
		})
	}
	if len(leaving) == 0 {
		return
	}
	for _, o := range k.config.API.Peek(podResource) {
		pod := o.(*corev1.Pod)
		if slices.Contains(leaving, pod.Spec.NodeName) && k.evictions.Has(pod) {
			k.must(k.evictions.Reconcile(k.ctx, pod.DeepCopy()))
			k.evicted++
		}
	}
	if k.evicted > evictionsPerQueue {
		k.newTermination()
	}
}

// stepCommands goes on with what was decided about disruption: it waits for replacements, then deletes.
func (k *Karpenter) stepCommands() {
	commands := k.commands.GetCommands()
	slices.SortFunc(commands, func(a, b *disruption.Command) int { return cmp.Compare(a.Candidates[0].Name(), b.Candidates[0].Name()) })
	for _, command := range commands {
		k.must(k.commands.Reconcile(k.ctx, command.Candidates[0].NodeClaim))
	}
}

// retrigger is how often a pod that still has no node, and a node whose pods must go, ask again.
const retrigger = 10 * time.Second

func (k *Karpenter) trigger(now time.Time) {
	for _, pod := range k.config.API.Unbound() {
		if !podutils.IsProvisionable(pod) {
			continue
		}
		k.every("trigger", string(pod.UID), now, func() (reconcile.Result, error) {
			k.batch.trigger(string(pod.UID), now)
			k.state.AckPods(pod)
			return reconcile.Result{RequeueAfter: retrigger}, nil
		})
	}
	for _, o := range k.config.API.Peek(nodeResource) {
		node := o.(*corev1.Node)
		if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) }) {
			k.every("trigger", node.Name, now, func() (reconcile.Result, error) {
				k.batch.trigger(node.Name, now)
				return reconcile.Result{RequeueAfter: retrigger}, nil
			})
		}
	}
}

// The window in which pods are batched, as the original has it by default.
const (
	batchIdle = time.Second
	batchMax  = 10 * time.Second
)

type batch struct {
	first, last time.Time
	seen        map[string]bool
}

func (b *batch) trigger(what string, now time.Time) {
	if b.seen[what] {
		return
	}
	if b.seen == nil {
		b.seen, b.first = map[string]bool{}, now
	}
	b.seen[what], b.last = true, now
}

func (b *batch) due(now time.Time) bool {
	return b.seen != nil && (now.Sub(b.last) >= batchIdle || now.Sub(b.first) >= batchMax)
}

// provision makes claims for the pods that have no node.
func (k *Karpenter) provision() {
	results, err := k.provisioner.Schedule(k.ctx)
	if err != nil {
		k.config.Failed(err, "karpenter: provisioning")
		return
	}
	for _, claim := range results.NewNodeClaims {
		name, err := k.provisioner.Create(k.ctx, claim, provisioning.WithReason(metrics.ProvisionedReason), provisioning.RecordPodNomination)
		if err != nil {
			k.config.Failed(err, "karpenter: provisioning")
			continue
		}
		k.config.Decided(Decision{
			Object: "node " + name, To: "asked for",
			Reason: fmt.Sprintf("%d pods need a node; pool %s has %d types for them", len(claim.Pods), claim.NodePoolName, len(claim.InstanceTypeOptions)),
		})
	}
}

// Interrupt is the notice that the machine of a node will be taken away: its claim is deleted, as by the interruption queue
// of the AWS provider.
func (k *Karpenter) Interrupt(name string) {
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := k.client.Delete(k.ctx, claim); err != nil {
		k.config.Failed(err, "karpenter: interruption")
	}
}

func keyOf(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}
