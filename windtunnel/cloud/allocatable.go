package cloud

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// vmOverheadPercent of the memory never reaches the guest. It is Karpenter's estimate for EC2 (--vm-memory-overhead-percent).
	vmOverheadPercent = 7.5
	// evictionMiB is the kubelet's memory.available threshold.
	evictionMiB = 100
	mebibyte    = 1 << 20
)

// Capacity is what the kubelet reports: all vCPUs, the memory that reaches the guest, and the most pods.
func (t Type) Capacity() corev1.ResourceList {
	return resources(int64(t.VCPU)*1000, t.guestMemory(), t.MaxPods)
}

// Allocatable is what pods can request. From the capacity go what EKS reserves for the kubelet and the system (memory: 11 MiB
// a pod and 255 MiB; CPU: 6 % of the first core, 1 % of the second, 0.5 % of the third and fourth, 0.25 % of each further
// one), and 100 MiB of memory below which the kubelet evicts.
func (t Type) Allocatable() corev1.ResourceList {
	memory := t.guestMemory() - int64(t.kubeReservedMiB()+evictionMiB)*mebibyte
	return resources(int64(t.VCPU)*1000-t.kubeReservedMilliCPU(), memory, t.MaxPods)
}

// WithDisk is Capacity and Allocatable of a node with a volume of so many bytes, of which pods request their ephemeral
// storage. EKS reserves 1 GiB of it, and the kubelet evicts when less than a tenth is left.
func (t Type) WithDisk(bytes float64) (capacity, allocatable corev1.ResourceList) {
	const reserved = 1 << 30
	capacity, allocatable = t.Capacity(), t.Allocatable()
	capacity[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(bytes), resource.BinarySI)
	allocatable[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(max(0, int64(bytes*0.9)-reserved), resource.BinarySI)
	return capacity, allocatable
}

func (t Type) guestMemory() int64 {
	return int64(float64(t.MemoryMiB) * (100 - vmOverheadPercent) / 100 * mebibyte)
}

func (t Type) kubeReservedMiB() int { return 11*t.MaxPods + 255 }

// kubeReservedMilliCPU adds in units of a tenth of a thousandth of a core, because a quarter of a percent is 2.5 of the latter.
func (t Type) kubeReservedMilliCPU() int64 {
	var tenths int64
	for core := 1; core <= t.VCPU; core++ {
		switch {
		case core == 1:
			tenths += 600
		case core == 2:
			tenths += 100
		case core <= 4:
			tenths += 50
		default:
			tenths += 25
		}
	}
	return tenths / 10
}

func resources(milliCPU, memory int64, pods int) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(milliCPU, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
}
