package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"k8s-scalers/windtunnel/cloud"
	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/karpenter"
)

// nodePools is Karpenter, and the cloud that it sees.
type nodePools struct {
	f         *fleet
	karpenter *karpenter.Karpenter
	pools     []sourced[*karpv1.NodePool]
}

var _ karpenter.Cloud = (*nodePools)(nil)

// newNodePools is the Karpenter of the manifests' NodePools; nil where there are none.
func newNodePools(f *fleet, w *world) *nodePools {
	if len(w.pools) == 0 {
		return nil
	}
	p := &nodePools{f: f, pools: w.pools}
	config := karpenter.Config{
		API: f.run.cluster.API, Scheme: f.run.scheme, Cloud: p, Zones: f.zones, Evict: f.run.evict, Failed: f.run.deciding.failed,
		Decided: func(d karpenter.Decision) {
			f.run.deciding.add(report.Decision{Scaler: "karpenter", Kind: report.KindNodes, Object: d.Object, To: d.To, Reason: d.Reason})
		},
	}
	vtime.Outside(func() { p.karpenter = karpenter.New(config) })
	return p
}

// oneZone is where all nodes are with Karpenter, which takes the zone that has the fewest pods, and any of several. What it leaves to
// chance besides is told.
func (r *run) oneZone(w *world) []string {
	zones := r.Scenario.Cluster.Zones
	if len(zones) > 1 {
		r.result.NotModelled = append(r.result.NotModelled, report.Note{
			Where: w.pools[0].source.Position().String(),
			Text:  "all nodes are in zone " + zones[0] + ": which of several zones Karpenter takes is chance, and a run must be repeatable",
		})
	}
	for _, d := range w.deployments {
		for _, key := range spreadBy(&d.object.Spec.Template.Spec) {
			r.leftOut(d.source, "Karpenter leaves it to chance where the next pod goes among equally good values of "+key+", so that two runs may differ",
				"spec", "template", "spec")
		}
	}
	return zones[:1]
}

// spreadBy are the labels, other than zones and nodes, by whose values pods are to be apart or together.
func spreadBy(pod *corev1.PodSpec) []string {
	var keys []string
	for _, spread := range pod.TopologySpreadConstraints {
		keys = append(keys, spread.TopologyKey)
	}
	if pod.Affinity != nil && pod.Affinity.PodAffinity != nil {
		for _, term := range pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			keys = append(keys, term.TopologyKey)
		}
		for _, term := range pod.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			keys = append(keys, term.PodAffinityTerm.TopologyKey)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == corev1.LabelTopologyZone || key == corev1.LabelHostname })
	slices.Sort(keys)
	return slices.Compact(keys)
}

// takePool creates a NodePool with the defaults that its definition has.
func (r *run) takePool(w *world, o *manifest.Object) error {
	pool, err := manifest.As[karpv1.NodePool](o)
	if err != nil {
		return err
	}
	d := &pool.Spec.Disruption
	if d.ConsolidationPolicy == "" {
		d.ConsolidationPolicy = karpv1.ConsolidationPolicyWhenEmptyOrUnderutilized
	}
	if len(d.Budgets) == 0 {
		d.Budgets = []karpv1.Budget{{Nodes: "10%"}}
	}
	given := func(path ...string) bool {
		_, found, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
		return found
	}
	if !given("spec", "disruption", "consolidateAfter") {
		d.ConsolidateAfter = karpv1.MustParseNillableDuration("0s")
	}
	template := &pool.Spec.Template.Spec
	if !given("spec", "template", "spec", "expireAfter") {
		template.ExpireAfter = karpv1.MustParseNillableDuration("720h")
	}
	if len(template.StartupTaints) > 0 {
		r.leftOut(o, "startup taints are left out: nothing would take them off", "spec", "template", "spec", "startupTaints")
		template.StartupTaints = nil
	}
	if pool.Spec.Replicas != nil {
		r.leftOut(o, "pools of a fixed size are not modelled", "spec", "replicas")
		return nil
	}
	stored, err := r.cluster.Create(cluster.ResourceOf(o.GroupVersionKind().GroupKind()), pool)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", o.Position(), o.Ref(), err)
	}
	w.pools = append(w.pools, sourced[*karpv1.NodePool]{stored.(*karpv1.NodePool), o})
	return nil
}

// takeClass creates an EC2NodeClass, of which the size of the first volume is used.
func (r *run) takeClass(o *manifest.Object) error {
	disk := float64(20 << 30) // as the nodes of EKS have where nothing is said
	mappings, _, _ := unstructured.NestedSlice(o.Object, "spec", "blockDeviceMappings")
	if len(mappings) > 0 {
		if mapping, ok := mappings[0].(map[string]any); ok {
			text, _, _ := unstructured.NestedString(mapping, "ebs", "volumeSize")
			if size, err := resource.ParseQuantity(text); err == nil {
				disk = size.AsApproximateFloat64()
			}
		}
	}
	r.leftOut(o, "only the size of its first volume is used")
	_, err := r.cluster.Create(cluster.ResourceOf(o.GroupVersionKind().GroupKind()), karpenter.NewNodeClass(o.GetName(), disk))
	return err
}

// Price implements karpenter.Cloud.
func (p *nodePools) Price(instance cloud.Type, capacity string) float64 {
	if capacity == karpv1.CapacityTypeSpot {
		return p.f.machines.marketFor(instance).Price()
	}
	return instance.Price
}

// Launch implements karpenter.Cloud.
func (p *nodePools) Launch(m karpenter.Machine) error {
	return p.f.machines.launch(p.specOf(m), false, time.Now())
}

func (p *nodePools) specOf(m karpenter.Machine) machineSpec {
	capacity := report.OnDemand
	if m.Capacity == karpv1.CapacityTypeSpot {
		capacity = report.Spot
	}
	boot := cloud.KarpenterBoot().Draw
	if given := p.f.run.Scenario.Cluster.Boot; given != nil {
		boot = func(r *rand.Rand) time.Duration { return seconds(given.Of().Draw(r)) }
	}
	return machineSpec{
		name: m.Name, instance: m.Type, capacity: capacity, zone: m.Zone, labels: m.Labels, annotations: m.Annotations, taints: m.Taints,
		disk: m.Disk, boot: boot, karpenter: &m,
	}
}

// Running implements karpenter.Cloud.
func (p *nodePools) Running() []karpenter.Machine {
	var running []karpenter.Machine
	for _, m := range p.f.machines.all {
		if m.spec.karpenter != nil {
			running = append(running, *m.spec.karpenter)
		}
	}
	return running
}

// Terminate implements karpenter.Cloud.
func (p *nodePools) Terminate(name string) bool {
	m := p.f.machines.find(name)
	if m == nil {
		return false
	}
	p.f.machines.terminate(m)
	return true
}

// misfits is why a pod fits no node of any pool; nil where it fits one.
func (p *nodePools) misfits(pod *corev1.Pod) []string {
	var refused []string
	for _, pool := range p.pools {
		machines, err := p.karpenter.Offers(pool.object)
		if err != nil || len(machines) == 0 {
			refused = append(refused, fmt.Sprintf("pool %s: no type of the catalogue meets its requirements", pool.object.Name))
			continue
		}
		var reasons []string
		for _, m := range machines {
			why := misfit(pod, p.specOf(m).newNode())
			if why == "" {
				return nil
			}
			reasons = append(reasons, fmt.Sprintf("%s (%s): %s", pool.object.Name, m.Type.Name, why))
		}
		// The last is the dearest, and so the largest.
		refused = append(refused, reasons[len(reasons)-1])
	}
	return slices.Compact(refused)
}
