package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"k8s-scalers/windtunnel/cloud"
	"k8s-scalers/windtunnel/report"
)

// Cluster is where pods run. Without nodes, and without a NodePool of Karpenter in the manifests, that is one node that never
// fills up and costs nothing.
type Cluster struct {
	Nodes []Nodes `yaml:"nodes"`
	// Zones are those over which nodes are spread in turn.
	Zones []string `yaml:"zones"`
	// Boot is from asking for a node until it is Ready, for nodes that Karpenter asks for. Without it, it is cloud.KarpenterBoot.
	Boot *Distribution `yaml:"boot"`
	Spot Spot          `yaml:"spot"`
}

// Nodes is a group of nodes of one type, for example an Auto Scaling group. Count of them are there from the start; a
// Cluster Autoscaler in the manifests keeps their number from Min to Max. Without it their number stays, and a node that is
// taken away is replaced.
type Nodes struct {
	// Name is the type without one.
	Name  string `yaml:"name"`
	Type  string `yaml:"type"`
	Count int    `yaml:"count"`
	Min   *int   `yaml:"min"`
	Max   *int   `yaml:"max"`
	// Capacity is on-demand or spot.
	Capacity string            `yaml:"capacity"`
	Labels   map[string]string `yaml:"labels"`
	Taints   []Taint           `yaml:"taints"`
	// Disk is the volume of a node, from which pods request their ephemeral storage.
	Disk Bytes `yaml:"disk"`
	// Boot is from asking for a node until it is Ready. Without it, it is cloud.GroupBoot.
	Boot *Distribution `yaml:"boot"`
}

// Taint of the nodes of a group.
type Taint struct {
	Key    string `yaml:"key"`
	Value  string `yaml:"value"`
	Effect string `yaml:"effect"`
}

// Spot is the parameters of cloud.Spot.
type Spot struct {
	// Discount is what spot capacity costs as a fraction of the on-demand price, in the middle.
	Discount             float64       `yaml:"discount"`
	Volatility           float64       `yaml:"volatility"`
	Memory               time.Duration `yaml:"memory"`
	InterruptionsPerHour float64       `yaml:"interruptionsPerHour"`
	Notice               time.Duration `yaml:"notice"`
	// IgnoreNotice leaves the pods of a node alone until it is taken away, as where nothing listens for the notice. Otherwise
	// they are evicted when it comes, and a new node is asked for.
	IgnoreNotice bool `yaml:"ignoreNotice"`
}

// Of is the model.
func (s Spot) Of() cloud.Spot {
	return cloud.Spot{
		Discount: s.Discount, Volatility: s.Volatility, Memory: s.Memory,
		InterruptionsPerHour: s.InterruptionsPerHour, Notice: s.Notice,
	}
}

func defaultCluster() Cluster {
	s := cloud.DefaultSpot()
	return Cluster{
		Zones: []string{"us-east-1a", "us-east-1b", "us-east-1c"},
		Spot: Spot{
			Discount: s.Discount, Volatility: s.Volatility, Memory: s.Memory,
			InterruptionsPerHour: s.InterruptionsPerHour, Notice: s.Notice,
		},
	}
}

// defaultDisk is what EKS gives the nodes of a managed group.
const defaultDisk = 20 << 30

func (c *Cluster) check(d *decoder) {
	if len(c.Zones) == 0 {
		d.at("cluster.zones", "expected at least one zone")
	}
	if err := c.Spot.Of().Check(); err != nil {
		d.at("cluster.spot", "%v", err)
	}
	var names []string
	for i := range c.Nodes {
		n := &c.Nodes[i]
		field := fmt.Sprintf("cluster.nodes[%d]", i)
		if n.Name == "" {
			n.Name = n.Type
		}
		if slices.Contains(names, n.Name) {
			d.at(field, "there is a group %s already; give each a name of its own", n.Name)
		}
		names = append(names, n.Name)
		n.check(d, field)
	}
}

func (n *Nodes) check(d *decoder, field string) {
	if _, err := cloud.Find(n.Type); err != nil {
		d.at(field+".type", "%v", err)
	}
	if n.Min == nil {
		low := n.Count
		n.Min = &low
	}
	if n.Max == nil {
		high := max(n.Count, *n.Min)
		n.Max = &high
	}
	switch {
	case *n.Max < 1:
		d.at(field+".count", "expected at least 1 node, now or as max, found %d", n.Count)
	case *n.Min < 0 || *n.Min > n.Count || n.Count > *n.Max:
		d.at(field, "expected 0 <= min <= count <= max, found min %d, count %d, max %d", *n.Min, n.Count, *n.Max)
	}
	if n.Capacity == "" {
		n.Capacity = report.OnDemand
	}
	oneOf(d, field+".capacity", n.Capacity, report.OnDemand, report.Spot)
	if n.Disk == 0 {
		n.Disk = defaultDisk
	}
	for i, t := range n.Taints {
		at := field + ".taints[" + strconv.Itoa(i) + "]"
		if t.Key == "" {
			d.at(at, "expected a key")
		}
		oneOf(d, at+".effect", t.Effect, string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectPreferNoSchedule))
	}
}
