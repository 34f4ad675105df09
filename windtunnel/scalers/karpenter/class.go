package karpenter

import (
	"sync"

	"github.com/awslabs/operatorpkg/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// NodeClass is the part of an EC2NodeClass that the model knows. It is always ready.
type NodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`
	// Disk is the size of the volume of a node, in bytes.
	Disk   float64         `json:"-"`
	Status NodeClassStatus `json:"status,omitzero"`
}

// NodeClassStatus holds the conditions.
type NodeClassStatus struct {
	Conditions []status.Condition `json:"conditions,omitempty"`
}

// NodeClassList is several of them.
type NodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []NodeClass `json:"items"`
}

var _ status.Object = (*NodeClass)(nil)

// GetConditions implements status.Object.
func (n *NodeClass) GetConditions() []status.Condition { return n.Status.Conditions }

// SetConditions implements status.Object.
func (n *NodeClass) SetConditions(conditions []status.Condition) { n.Status.Conditions = conditions }

// StatusConditions implements status.Object.
func (n *NodeClass) StatusConditions(options ...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions().For(n, options...)
}

// DeepCopyObject implements runtime.Object.
func (n *NodeClass) DeepCopyObject() runtime.Object {
	out := &NodeClass{TypeMeta: n.TypeMeta, Disk: n.Disk}
	n.DeepCopyInto(&out.ObjectMeta)
	for _, c := range n.Status.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, *c.DeepCopy())
	}
	return out
}

// DeepCopyObject implements runtime.Object.
func (l *NodeClassList) DeepCopyObject() runtime.Object {
	out := &NodeClassList{TypeMeta: l.TypeMeta, ListMeta: *l.DeepCopy()}
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*NodeClass))
	}
	return out
}

// NewNodeClass is a class that is ready.
func NewNodeClass(name string, disk float64) *NodeClass {
	n := &NodeClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Disk: disk}
	n.StatusConditions().SetTrue(status.ConditionReady)
	return n
}

// registered guards what Karpenter keeps in variables of its packages and of client-go: which labels and types it knows.
var registered sync.Once

// AddToScheme adds Karpenter's types and NodeClass. It also tells Karpenter about NodeClass and the labels of its AWS
// provider; Karpenter looks for both in package variables.
func AddToScheme(scheme *runtime.Scheme) error {
	group := schema.GroupVersion{Group: "karpenter.sh", Version: "v1"}
	scheme.AddKnownTypes(group, &karpv1.NodePool{}, &karpv1.NodePoolList{}, &karpv1.NodeClaim{}, &karpv1.NodeClaimList{})
	addClass(scheme)
	registered.Do(func() {
		addClass(clientscheme.Scheme)
		karpv1.WellKnownLabels = karpv1.WellKnownLabels.Union(sets.New(awsLabels()...))
		karpv1.RestrictedLabelDomains.Insert("karpenter.k8s.aws")
	})
	return nil
}

func addClass(scheme *runtime.Scheme) {
	aws := schema.GroupVersion{Group: "karpenter.k8s.aws", Version: "v1"}
	scheme.AddKnownTypeWithName(aws.WithKind("EC2NodeClass"), &NodeClass{})
	scheme.AddKnownTypeWithName(aws.WithKind("EC2NodeClassList"), &NodeClassList{})
}
