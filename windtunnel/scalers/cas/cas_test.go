package cas_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"k8s-scalers/windtunnel/scalers/cas"
)

// The fields are those of testdata/cas.json, whose meta says what they mean.
type scenario struct {
	ID                     string      `json:"id"`
	Flags                  []string    `json:"flags"`
	Groups                 []group     `json:"groups"`
	NodesOutsideGroups     []group     `json:"nodes_outside_groups"`
	Pods                   []pod       `json:"pods"`
	DaemonSets             []daemonSet `json:"daemonsets"`
	PDBs                   []pdb       `json:"pdbs"`
	LaterChanges           []change    `json:"later_changes"`
	PriorityExpanderConfig string      `json:"priority_expander_config"`
	ClusterMaxCores        int64       `json:"cluster_max_cores"`
	Duration               int         `json:"duration_s"`
	BindsPendingPods       bool        `json:"harness_binds_pending_pods"`

	Decision           decision       `json:"decision"`
	OtherDecisionsSeen []decision     `json:"other_decisions_seen"`
	NotTriggered       []notTriggered `json:"not_triggered"`
}

type group struct {
	Name              string                       `json:"name"`
	Min               int                          `json:"min"`
	Max               int                          `json:"max"`
	Size              int                          `json:"size"`
	AllocatableCPU    int64                        `json:"allocatable_cpu_m"`
	AllocatableMemory int64                        `json:"allocatable_memory_mi"`
	CapacityCPU       int64                        `json:"capacity_cpu_m"`
	CapacityMemory    int64                        `json:"capacity_memory_mi"`
	MaxPods           int64                        `json:"max_pods"`
	Labels            map[string]string            `json:"labels"`
	Taints            []taint                      `json:"taints"`
	RegistrationDelay int                          `json:"node_registration_delay_s"`
	ReadinessDelay    int                          `json:"node_readiness_delay_s"`
	NotReadyNodes     []string                     `json:"not_ready_nodes"`
	NodeAnnotations   map[string]map[string]string `json:"node_annotations"`
}

type taint struct{ Key, Value, Effect string }

type pod struct {
	Name                string              `json:"name"`
	Namespace           string              `json:"namespace"`
	Count               int                 `json:"count"`
	CPU                 int64               `json:"cpu_m"`
	Memory              int64               `json:"memory_mi"`
	Node                string              `json:"node"`
	Owner               string              `json:"owner"`
	OwnerReplicas       int                 `json:"owner_replicas"`
	Labels              map[string]string   `json:"labels"`
	Annotations         map[string]string   `json:"annotations"`
	Priority            *int32              `json:"priority"`
	Phase               string              `json:"phase"`
	LocalStorage        string              `json:"local_storage"`
	NodeSelector        map[string]string   `json:"node_selector"`
	RequiredIn          map[string][]string `json:"required_node_affinity_in"`
	Tolerations         []taint             `json:"tolerations"`
	AntiAffinity        string              `json:"required_anti_affinity_topology"`
	PreferredAnti       string              `json:"preferred_anti_affinity_topology"`
	Affinity            string              `json:"required_pod_affinity_topology"`
	AffinityLabels      map[string]string   `json:"required_pod_affinity_labels"`
	Spread              string              `json:"spread_topology"`
	SpreadMaxSkew       int32               `json:"spread_max_skew"`
	SpreadAnyway        bool                `json:"spread_schedule_anyway"`
	HostPort            int32               `json:"host_port"`
	Gated               bool                `json:"scheduling_gated"`
	NoUnschedulableCond bool                `json:"no_unschedulable_condition"`
}

type daemonSet struct {
	Name   string `json:"name"`
	CPU    int64  `json:"cpu_m"`
	Memory int64  `json:"memory_mi"`
}

type pdb struct {
	Name               string            `json:"name"`
	Namespace          string            `json:"namespace"`
	MatchLabels        map[string]string `json:"match_labels"`
	DisruptionsAllowed int32             `json:"disruptions_allowed"`
}

type change struct {
	At        int    `json:"at_s"`
	DeletePod string `json:"delete_pod"`
	AddPod    *pod   `json:"add_pod"`
}

type decision struct {
	ScaleUps    []scaleUp      `json:"scale_ups"`
	Removed     []removal      `json:"removed_nodes"`
	TargetSizes map[string]int `json:"final_target_sizes"`
}

type scaleUp struct {
	T      int    `json:"t_s"`
	Group  string `json:"group"`
	Delta  int    `json:"delta"`
	Target int    `json:"target_size"`
}

type removal struct {
	T    int    `json:"t_s"`
	Node string `json:"node"`
}

type notTriggered struct {
	T    int    `json:"t_s"`
	Pod  string `json:"pod"`
	Text string `json:"text"`
}

// TestRecordedDecisions goes through the scenarios that were run with the original. Where its runs differed from each
// other, one of them must be met in counts, groups and times; names are up to chance there. Of scale-ups the first is
// compared, and all of them where the scenario binds pods, for the reason in the file's meta.
func TestRecordedDecisions(t *testing.T) {
	text, err := os.ReadFile("testdata/cas.json")
	require.NoError(t, err)
	var file struct {
		Scenarios []*scenario `json:"scenarios"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Scenarios, 111)
	for _, s := range file.Scenarios {
		t.Run(s.ID, func(t *testing.T) {
			w := newWorld(t, s)
			w.run()
			got := w.decision()
			chance := len(s.OtherDecisionsSeen) > 0
			all := append([]decision{s.Decision}, s.OtherDecisionsSeen...)
			if !slices.ContainsFunc(all, func(d decision) bool {
				return comparison(d, s.BindsPendingPods, chance) == comparison(got, s.BindsPendingPods, chance)
			}) {
				require.Equal(t, comparison(s.Decision, s.BindsPendingPods, chance), comparison(got, s.BindsPendingPods, chance))
			}
			if !chance {
				require.Equal(t, first(s.NotTriggered), first(w.told), "what pending pods are told")
			}
		})
	}
}

func (w *world) decision() decision {
	d := decision{ScaleUps: w.scaled, Removed: w.removed, TargetSizes: map[string]int{}}
	for _, g := range w.groups {
		d.TargetSizes[g.Name] = g.target
	}
	return d
}

// comparison is the part of a decision that must be met.
func comparison(d decision, allScaleUps, chance bool) string {
	ups := make([]scaleUp, len(d.ScaleUps))
	copy(ups, d.ScaleUps)
	if !allScaleUps {
		ups = slices.DeleteFunc(ups, func(u scaleUp) bool { return u.T != ups[0].T })
	}
	slices.SortFunc(ups, func(a, b scaleUp) int { return a.T*1000 - b.T*1000 + strings.Compare(a.Group, b.Group) })
	removed := make([]removal, len(d.Removed))
	copy(removed, d.Removed)
	slices.SortFunc(removed, func(a, b removal) int { return a.T*1000 - b.T*1000 + strings.Compare(a.Node, b.Node) })
	sizes := map[string]int{}
	for name, size := range d.TargetSizes {
		if len(d.ScaleUps) == 0 || allScaleUps {
			sizes[name] = size
		}
	}
	if chance {
		for i := range removed {
			removed[i].Node = ""
		}
	}
	text, err := json.MarshalIndent(decision{ups, removed, sizes}, "", " ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// first is what each pod was told first; the recording drops repetitions.
func first(all []notTriggered) map[string]string {
	told := map[string]string{}
	for _, n := range all {
		if told[n.Pod] == "" {
			told[n.Pod] = n.Text
		}
	}
	return told
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func set(l map[string]string) labels.Set { return l }

func (p pod) make(name string, created time.Time) *corev1.Pod {
	made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.Namespace, Name: name, UID: types.UID(p.Namespace + "/" + name), Labels: p.Labels,
		Annotations: p.Annotations, CreationTimestamp: metav1.NewTime(created),
	}}
	controls := true
	owner := metav1.OwnerReference{
		APIVersion: "apps/v1", Kind: p.ownerKind(), Name: p.ownerName(), UID: types.UID(p.ownerKind() + "/" + p.ownerName()), Controller: &controls,
	}
	switch p.Owner {
	case "none":
	case "mirror":
		made.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x", "kubernetes.io/config.source": "file"}
	case "Job", "JobGone":
		owner.APIVersion = "batch/v1"
		made.OwnerReferences = []metav1.OwnerReference{owner}
	case "ReplicaSet", "StatefulSet", "DaemonSet":
		made.OwnerReferences = []metav1.OwnerReference{owner}
	default:
		owner.APIVersion = "example.com/v1"
		made.OwnerReferences = []metav1.OwnerReference{owner}
	}
	made.Spec.NodeName, made.Spec.Priority, made.Spec.NodeSelector = p.Node, p.Priority, p.NodeSelector
	made.Spec.Containers = container(p.CPU, p.Memory, p.HostPort)
	made.Status.Phase = corev1.PodPhase(p.Phase)
	switch {
	case p.Gated:
		made.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/gate"}}
		made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
	case p.Node == "" && !p.NoUnschedulableCond:
		made.Status.Conditions = pendingConditions
	}
	for _, t := range p.Tolerations {
		made.Spec.Tolerations = append(made.Spec.Tolerations, corev1.Toleration{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	switch p.LocalStorage {
	case "emptyDir":
		made.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	case "emptyDirMemory":
		made.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}}}
	case "hostPath":
		made.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/tmp"}}}}
	}
	p.place(made)
	return made
}

// place adds what says where the pod may run.
func (p pod) place(made *corev1.Pod) {
	own := &metav1.LabelSelector{MatchLabels: p.Labels}
	affinity := &corev1.Affinity{}
	for label, values := range p.RequiredIn {
		affinity.NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: label, Operator: corev1.NodeSelectorOpIn, Values: values},
			}}},
		}}
	}
	if p.AntiAffinity != "" {
		affinity.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{LabelSelector: own, TopologyKey: p.AntiAffinity},
		}}
	}
	if p.PreferredAnti != "" {
		affinity.PodAntiAffinity = &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			{Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{LabelSelector: own, TopologyKey: p.PreferredAnti}},
		}}
	}
	if p.Affinity != "" {
		selector := own
		if p.AffinityLabels != nil {
			selector = &metav1.LabelSelector{MatchLabels: p.AffinityLabels}
		}
		affinity.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{LabelSelector: selector, TopologyKey: p.Affinity},
		}}
	}
	if *affinity != (corev1.Affinity{}) {
		made.Spec.Affinity = affinity
	}
	if p.Spread != "" {
		constraint := corev1.TopologySpreadConstraint{
			MaxSkew: p.SpreadMaxSkew, TopologyKey: p.Spread, LabelSelector: own, WhenUnsatisfiable: corev1.DoNotSchedule,
		}
		if p.SpreadAnyway {
			constraint.WhenUnsatisfiable = corev1.ScheduleAnyway
		}
		made.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{constraint}
	}
}

func TestFlags(t *testing.T) {
	o, err := cas.ParseFlags([]string{"--expander=priority,least-waste", "--cores-total=2:16", "--scale-down-unneeded-time=3m"})
	require.NoError(t, err)
	require.Equal(t, []string{"priority", "least-waste"}, o.Expanders)
	require.Equal(t, cas.Range{Min: 2, Max: 16}, o.CoresTotal)
	require.Equal(t, 3*time.Minute, o.ScaleDownUnneededTime)
	require.Equal(t, 10*time.Second, o.ScanInterval)
	require.True(t, cas.Knows("scan-interval"))
	require.False(t, cas.Knows("leader-elect"))

	_, err = cas.ParseFlags([]string{"--expander=grpc", "--cores-total=9:1", "--no-such-flag=1", "stray", "--scan-interval=soon"})
	for _, says := range []string{`no expander "grpc"`, "<min>:<max>", "no-such-flag", "stray: expected", "scan-interval"} {
		require.ErrorContains(t, err, says)
	}
}
