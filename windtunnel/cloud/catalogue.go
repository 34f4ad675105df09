package cloud

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Type is an instance type.
type Type struct {
	// Name is family.size; Arch is amd64 or arm64, as Kubernetes calls it.
	Name, Arch string
	VCPU       int
	// MemoryMiB is what the instance is sold with, before the hypervisor and Kubernetes take their parts.
	MemoryMiB int
	// Price is dollars an hour, on demand.
	Price float64
	// MaxPods is how many pods get addresses from Amazon's network plugin with its defaults.
	MaxPods int
}

// ControlPlanePrice is what EKS charges for a cluster, in dollars an hour.
const ControlPlanePrice = 0.10

// size is what the sizes of all families have in common: their vCPUs and network interfaces.
type size struct {
	name                  string
	vcpu                  int
	interfaces, addresses int
}

var (
	regular = []size{
		{"large", 2, 3, 10}, {"xlarge", 4, 4, 15}, {"2xlarge", 8, 4, 15}, {"4xlarge", 16, 8, 30},
	}
	burstable = []size{
		{"medium", 2, 3, 6}, {"large", 2, 3, 12}, {"xlarge", 4, 4, 15}, {"2xlarge", 8, 4, 15},
	}
)

// family is types that double in price and memory from size to size, beginning with the first.
type family struct {
	name, arch string
	sizes      []size
	memoryMiB  int
	price      float64
}

var families = []family{
	{"m5", "amd64", regular, 8192, 0.0960},
	{"m6i", "amd64", regular, 8192, 0.0960},
	{"m7i", "amd64", regular, 8192, 0.1008},
	{"m7g", "arm64", regular, 8192, 0.0816},
	{"c6i", "amd64", regular, 4096, 0.0850},
	{"c7g", "arm64", regular, 4096, 0.0725},
	{"t3", "amd64", burstable, 4096, 0.0416},
}

// Catalogue is every type, the cheapest first.
func Catalogue() []Type {
	var all []Type
	for _, f := range families {
		for i, s := range f.sizes {
			all = append(all, Type{
				Name: f.name + "." + s.name, Arch: f.arch, VCPU: s.vcpu,
				MemoryMiB: f.memoryMiB << i, Price: f.price * float64(int(1)<<i),
				// One address of each interface is its own; two pods of every node use the node's network.
				MaxPods: s.interfaces*(s.addresses-1) + 2,
			})
		}
	}
	slices.SortFunc(all, func(a, b Type) int {
		return cmp.Or(cmp.Compare(a.Price, b.Price), strings.Compare(a.Name, b.Name))
	})
	return all
}

// Find is the type of this name. The error lists those that there are.
func Find(name string) (Type, error) {
	var names []string
	for _, t := range Catalogue() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return Type{}, fmt.Errorf("there is no instance type %q in the catalogue; it has %s", name, strings.Join(names, ", "))
}

// Family is the part of the name before the dot.
func (t Type) Family() string {
	name, _, _ := strings.Cut(t.Name, ".")
	return name
}

// Size is the part of the name after the dot.
func (t Type) Size() string {
	_, name, _ := strings.Cut(t.Name, ".")
	return name
}
