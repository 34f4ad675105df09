package karpenter

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
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
	"sigs.k8s.io/karpenter/pkg/operator/options"
	"sigs.k8s.io/karpenter/pkg/state/cost"
	"sigs.k8s.io/karpenter/pkg/state/nodepoolhealth"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"

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
	methods     []method
	costs       *cost.ClusterCost
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
	again                      map[due]time.Time
	placed                     map[types.NamespacedName]placed
	next                       time.Time // when the first of again is due
	leaving                    bool      // whether a node was on its way out at the last step
	idle                       thought
	provisioned                time.Time // when nodes were last meant for pods
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
		config: config, ctx: ctx, again: map[due]time.Time{}, placed: map[types.NamespacedName]placed{},
		client: &apiClient{api: config.API, scheme: config.Scheme, evict: config.Evict},
	}
	k.provider = &provider{cloud: config.Cloud, client: k.client, zones: config.Zones}
	now, recorder := hurried{}, silent{}
	k.state = state.NewCluster(now, k.client, k.provider)
	k.costs = cost.NewClusterCost(ctx, k.provider, k.client)
	k.provisioner = provisioning.NewProvisioner(k.client, recorder, k.provider, k.state, now,
		deviceallocation.NewController(k.client), virtualpods.NewVirtualPodCache(k.client))
	k.lifecycle = lifecycle.NewController(now, k.client, k.provider, recorder, nodepoolhealth.NewState(), nil)
	k.conditions = claimdisruption.NewController(now, k.client, k.provider)
	k.expiration = expiration.NewController(now, k.client, k.provider)
	k.garbage = garbagecollection.NewController(now, k.client, k.provider)
	k.podEvents = podevents.NewController(now, k.client, k.provider)
	k.commands = disruption.NewQueue(k.client, recorder, k.state, now, k.provisioner)
	k.methods = repeatable(k.state, k.client, k.provisioner, k.provider, k.commands)
	k.hash = hash.NewController(k.client, k.provider)
	k.validation = validation.NewController(now, k.client, k.provider)
	k.readiness = readiness.NewController(now, k.client, k.provider)
	k.nodeState = informer.NewNodeController(k.client, k.state)
	k.podState = informer.NewPodController(k.client, k.state)
	k.claimState = informer.NewNodeClaimController(k.client, k.provider, k.state, k.costs)
	k.poolState = informer.NewNodePoolController(k.client, k.provider, k.state, k.costs)
	k.pricing = informer.NewPricingController(k.client, k.provider, k.costs)
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

// evictionsPerQueue is how many evictions one queue takes: it notes each in a channel of 10,000, which the controller
// manager of the original reads and nobody reads here.
const evictionsPerQueue = 9000

func (k *Karpenter) newTermination() {
	k.evictions, k.evicted = terminator.NewQueue(k.client, silent{}), 0
	k.termination = termination.NewController(hurried{}, k.client, k.provider, terminator.NewTerminator(hurried{}, k.client, k.evictions, silent{}), silent{})
}

// Stop ends what Start began.
func (k *Karpenter) Stop() {
	k.stop()
	k.running.Wait()
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
