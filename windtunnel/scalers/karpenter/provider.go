package karpenter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"k8s-scalers/windtunnel/cloud"
)

// Cloud is where machines come from and go to.
type Cloud interface {
	// Price of a type now, in dollars an hour, for karpv1.CapacityTypeOnDemand or CapacityTypeSpot.
	Price(instance cloud.Type, capacity string) float64
	// Launch asks for a machine. Its node registers when it has booted.
	Launch(Machine) error
	// Running are the machines that were launched and have not ended.
	Running() []Machine
	// Terminate ends a machine; false where there is none of this name.
	Terminate(name string) bool
}

// Machine is what Karpenter asked for.
type Machine struct {
	// Name is that of the NodeClaim, and of the node.
	Name           string
	Type           cloud.Type
	Capacity, Zone string
	Labels         map[string]string
	Annotations    map[string]string
	Taints         []corev1.Taint
	Disk           float64
}

// ProviderID is how Karpenter knows the machine.
func (m Machine) ProviderID() string { return "windtunnel:///" + m.Zone + "/" + m.Name }

// Labels of Karpenter's AWS provider that the catalogue can answer.
const (
	labelCategory     = "karpenter.k8s.aws/instance-category"
	labelFamily       = "karpenter.k8s.aws/instance-family"
	labelGeneration   = "karpenter.k8s.aws/instance-generation"
	labelSize         = "karpenter.k8s.aws/instance-size"
	labelCPU          = "karpenter.k8s.aws/instance-cpu"
	labelMemory       = "karpenter.k8s.aws/instance-memory"
	labelManufacturer = "karpenter.k8s.aws/instance-cpu-manufacturer"
)

// labelsWithout are those that say what no type of the catalogue has.
var labelsWithout = []string{
	"karpenter.k8s.aws/instance-gpu-name", "karpenter.k8s.aws/instance-gpu-manufacturer", "karpenter.k8s.aws/instance-gpu-count",
	"karpenter.k8s.aws/instance-gpu-memory", "karpenter.k8s.aws/instance-accelerator-name", "karpenter.k8s.aws/instance-accelerator-manufacturer",
	"karpenter.k8s.aws/instance-accelerator-count", "karpenter.k8s.aws/instance-local-nvme", "karpenter.k8s.aws/instance-network-bandwidth",
	"karpenter.k8s.aws/instance-ebs-bandwidth",
}

func awsLabels() []string {
	return append([]string{labelCategory, labelFamily, labelGeneration, labelSize, labelCPU, labelMemory, labelManufacturer}, labelsWithout...)
}

// labelsOf is what the AWS provider says about a type: m7i.large is of category m, family m7i, generation 7.
func labelsOf(t cloud.Type) map[string]string {
	family := t.Family()
	category := strings.TrimRightFunc(family, func(r rune) bool { return !unicode.IsDigit(r) })
	generation := strings.TrimLeftFunc(category, unicode.IsLetter)
	maker := "intel"
	if t.Arch == "arm64" {
		maker = "aws"
	}
	return map[string]string{
		corev1.LabelInstanceTypeStable: t.Name, corev1.LabelArchStable: t.Arch, corev1.LabelOSStable: "linux",
		labelCategory: strings.TrimSuffix(category, generation), labelFamily: family, labelGeneration: generation, labelSize: t.Size(),
		labelCPU: strconv.Itoa(t.VCPU), labelMemory: strconv.Itoa(t.MemoryMiB), labelManufacturer: maker,
	}
}

// repriced is how often the provider learns of prices.
const repriced = time.Hour

// provider is the cloud provider: the catalogue behind Karpenter's interface.
type provider struct {
	cloud  Cloud
	client *apiClient
	zones  []string
	types  map[float64][]*cloudprovider.InstanceType // by size of the volume
	ofPool map[string][]*cloudprovider.InstanceType  // those of types that a pool may have
	learnt time.Time
	asked  map[string]bool // which of the labels of AWS anybody asks for
	// spread tells that pods are spread by a label of types. Then the types that a pool may not have count, too.
	spread bool
}

var _ cloudprovider.CloudProvider = (*provider)(nil)

func (p *provider) Name() string { return "windtunnel" }

func (p *provider) GetSupportedNodeClasses() []status.Object { return []status.Object{&NodeClass{}} }

func (p *provider) RepairPolicies() []cloudprovider.RepairPolicy { return nil }

func (p *provider) IsDrifted(context.Context, *karpv1.NodeClaim) (cloudprovider.DriftReason, error) {
	return "", nil
}

// GetInstanceTypes implements cloudprovider.CloudProvider. The AWS provider answers with all types; those that the pool may not have are left
// out here, because Karpenter compares each of them with the pool time and again, and never takes one.
func (p *provider) GetInstanceTypes(ctx context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	disk, err := p.disk(ctx, pool.Spec.Template.Spec.NodeClassRef)
	if err != nil {
		return nil, err
	}
	all := p.instanceTypes(disk)
	if p.spread {
		return all, nil
	}
	types, found := p.ofPool[pool.Name]
	if !found {
		requirements := poolRequirements(pool)
		for _, t := range all {
			if t.Requirements.Intersects(requirements) == nil {
				types = append(types, t)
			}
		}
		p.ofPool[pool.Name] = types
	}
	return types, nil
}

// poolRequirements are what a pool asks of its nodes.
func poolRequirements(pool *karpv1.NodePool) scheduling.Requirements {
	requirements := scheduling.NewNodeSelectorRequirementsWithMinValues(pool.Spec.Template.Spec.Requirements...)
	requirements.Add(scheduling.NewLabelRequirements(pool.Spec.Template.Labels).Values()...)
	return requirements
}

func (p *provider) instanceTypes(disk float64) []*cloudprovider.InstanceType {
	if p.types == nil {
		p.types = map[float64][]*cloudprovider.InstanceType{}
		p.learn()
	}
	if p.types[disk] == nil {
		p.types[disk] = p.catalogue(disk)
	}
	return p.types[disk]
}

func (p *provider) catalogue(disk float64) []*cloudprovider.InstanceType {
	var types []*cloudprovider.InstanceType
	for _, t := range cloud.Catalogue() {
		types = append(types, p.instanceType(t, disk))
	}
	return types
}

// refresh learns of prices when it is time. It must be called each second, so that what is learnt does not depend on who asks when.
func (p *provider) refresh(now time.Time) {
	if p.types != nil && now.Sub(p.learnt) >= repriced {
		p.learn()
	}
}

// learn finds out what costs how much now, and which labels pools and workloads name. Karpenter looks at every requirement of every type time
// and again, and one that nobody asks for changes nothing.
func (p *provider) learn() {
	p.learnt, p.ofPool, p.asked, p.spread = time.Now(), map[string][]*cloudprovider.InstanceType{}, map[string]bool{}, false
	keys := append(awsLabels(), corev1.LabelInstanceTypeStable, corev1.LabelArchStable)
	for _, kind := range []schema.GroupResource{poolResource, podResource, {Group: "apps", Resource: "deployments"}, {Group: "apps", Resource: "daemonsets"}} {
		for _, object := range p.client.api.Peek(kind) {
			text, err := json.Marshal(object)
			for _, key := range keys {
				// What cannot be read may ask for everything.
				p.asked[key] = p.asked[key] || err != nil || bytes.Contains(text, []byte(key))
				p.spread = p.spread || err != nil || bytes.Contains(text, []byte(`"topologyKey":"`+key))
			}
		}
	}
	for disk := range p.types {
		p.types[disk] = p.catalogue(disk)
	}
}

func (p *provider) instanceType(t cloud.Type, disk float64) *cloudprovider.InstanceType {
	capacities := []string{karpv1.CapacityTypeOnDemand, karpv1.CapacityTypeSpot}
	requirements := scheduling.NewRequirements(
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, p.zones...),
		scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, capacities...),
	)
	labels := labelsOf(t)
	for _, key := range []string{corev1.LabelInstanceTypeStable, corev1.LabelArchStable, corev1.LabelOSStable} {
		requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, labels[key]))
	}
	for _, key := range awsLabels() {
		switch value, has := labels[key]; {
		case !p.asked[key]:
		case has:
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
		default:
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	capacity, allocatable := t.WithDisk(disk)
	reserved := corev1.ResourceList{}
	for name, all := range capacity {
		left := all.DeepCopy()
		left.Sub(allocatable[name])
		reserved[name] = left
	}
	result := &cloudprovider.InstanceType{
		Name: t.Name, Requirements: requirements, Capacity: capacity,
		Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: reserved},
	}
	for _, zone := range p.zones {
		for _, kind := range capacities {
			result.Offerings = append(result.Offerings, &cloudprovider.Offering{
				Available: true, Price: p.cloud.Price(t, kind),
				Requirements: scheduling.NewRequirements(
					scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, kind),
					scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zone),
				),
			})
		}
	}
	return result
}

func (p *provider) disk(ctx context.Context, ref *karpv1.NodeClassReference) (float64, error) {
	class := &NodeClass{}
	if err := p.client.Get(ctx, keyOf("", ref.Name), class); err != nil {
		return 0, fmt.Errorf("class of nodes: %w", err)
	}
	return class.Disk, nil
}

// Create launches the cheapest machine that the claim allows; among equals the first by name and zone. The AWS provider
// weighs spot capacity against its price; here all of it is as likely to be taken away.
func (p *provider) Create(ctx context.Context, claim *karpv1.NodeClaim) (*karpv1.NodeClaim, error) {
	disk, err := p.disk(ctx, claim.Spec.NodeClassRef)
	if err != nil {
		return nil, err
	}
	requirements := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	var best *Machine
	price := 0.0
	for _, t := range p.instanceTypes(disk) {
		if !requirements.Get(corev1.LabelInstanceTypeStable).Has(t.Name) {
			continue
		}
		for _, offer := range t.Offerings.Available().Compatible(requirements) {
			// Spot first, as with the AWS provider: where a claim allows it, it is cheaper.
			if best != nil && offer.Price >= price {
				continue
			}
			instance, err := cloud.Find(t.Name)
			if err != nil {
				return nil, err
			}
			price = offer.Price
			best = &Machine{Name: claim.Name, Type: instance, Capacity: offer.CapacityType(), Zone: offer.Zone(), Disk: disk}
		}
	}
	if best == nil {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("no type of the catalogue meets the requirements of %s", claim.Name))
	}
	best.Labels = machineLabels(*best, claim.Labels, requirements)
	best.Annotations = claim.Annotations
	best.Taints = append(slices.Clone(claim.Spec.Taints), claim.Spec.StartupTaints...)
	best.Taints = append(best.Taints, karpv1.UnregisteredNoExecuteTaint)
	if err := p.cloud.Launch(*best); err != nil {
		return nil, err
	}
	return p.claim(*best), nil
}

func machineLabels(m Machine, more map[string]string, requirements scheduling.Requirements) map[string]string {
	result := labelsOf(m.Type)
	maps.Copy(result, more)
	for key, r := range requirements {
		if r.Operator() == corev1.NodeSelectorOpIn && r.Len() == 1 {
			result[key] = r.Values()[0]
		}
	}
	result[karpv1.CapacityTypeLabelKey], result[corev1.LabelTopologyZone] = m.Capacity, m.Zone
	result[corev1.LabelTopologyRegion] = strings.TrimRightFunc(m.Zone, unicode.IsLetter)
	return result
}

func (p *provider) claim(m Machine) *karpv1.NodeClaim {
	capacity, allocatable := m.Type.WithDisk(m.Disk)
	return &karpv1.NodeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: m.Name, Labels: m.Labels, Annotations: m.Annotations},
		Status:     karpv1.NodeClaimStatus{ProviderID: m.ProviderID(), Capacity: capacity, Allocatable: allocatable},
	}
}

func (p *provider) find(providerID string) (Machine, error) {
	for _, m := range p.cloud.Running() {
		if m.ProviderID() == providerID {
			return m, nil
		}
	}
	return Machine{}, cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("there is no machine %s", providerID))
}

func (p *provider) Delete(_ context.Context, claim *karpv1.NodeClaim) error {
	m, err := p.find(claim.Status.ProviderID)
	if err != nil {
		return err
	}
	p.cloud.Terminate(m.Name)
	return cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("machine %s has ended", m.Name))
}

func (p *provider) Get(_ context.Context, providerID string) (*karpv1.NodeClaim, error) {
	m, err := p.find(providerID)
	if err != nil {
		return nil, err
	}
	return p.claim(m), nil
}

func (p *provider) List(context.Context) ([]*karpv1.NodeClaim, error) {
	var claims []*karpv1.NodeClaim
	for _, m := range p.cloud.Running() {
		claims = append(claims, p.claim(m))
	}
	return claims, nil
}

// Offers are the machines that a pool may consist of, one for each type and way of paying, the cheapest type first.
func (k *Karpenter) Offers(pool *karpv1.NodePool) ([]Machine, error) {
	disk, err := k.provider.disk(k.ctx, pool.Spec.Template.Spec.NodeClassRef)
	if err != nil {
		return nil, err
	}
	requirements := poolRequirements(pool)
	var machines []Machine
	for _, t := range k.provider.instanceTypes(disk) {
		if t.Requirements.Intersects(requirements) != nil {
			continue
		}
		instance, err := cloud.Find(t.Name)
		if err != nil {
			return nil, err
		}
		for _, offer := range t.Offerings.Available().Compatible(requirements) {
			m := Machine{Name: pool.Name, Type: instance, Capacity: offer.CapacityType(), Zone: offer.Zone(), Disk: disk, Taints: pool.Spec.Template.Spec.Taints}
			m.Labels = machineLabels(m, pool.Spec.Template.Labels, requirements)
			m.Labels[karpv1.NodePoolLabelKey] = pool.Name
			machines = append(machines, m)
		}
	}
	return machines, nil
}
