package lint

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/manifest"
)

// set is what is applied together, by what it means to autoscaling. Objects that do not fit their types are in all alone:
// the schema rule tells of them.
type set struct {
	all           []*manifest.Object
	workloads     []workload
	hpas          []hpa
	scaledObjects []scaled
	vpas          []vpa
	cpas          []cpa
}

// target names a workload. The namespace may be empty: that of whoever applies it.
type target struct{ namespace, kind, name string }

func (t target) String() string {
	if t.namespace == "" {
		return t.kind + " " + t.name
	}
	return fmt.Sprintf("%s %s/%s", t.kind, t.namespace, t.name)
}

// same tells whether two targets are one workload. A base without a namespace gets the one it is applied with, and so fits
// every namespace.
func (t target) same(o target) bool {
	return t.kind == o.kind && t.name == o.name && sameNamespace(t.namespace, o.namespace)
}

func sameNamespace(a, b string) bool { return a == b || a == "" || b == "" }

// workload is something with pods and replicas.
type workload struct {
	*manifest.Object
	on       target
	replicas *int32
	pod      corev1.PodSpec
}

type hpa struct {
	*manifest.Object
	on   target
	spec autoscalingv2.HorizontalPodAutoscalerSpec
}

// scaled is a ScaledObject of KEDA.
type scaled struct {
	*manifest.Object
	on       target
	triggers []trigger
}

type trigger struct {
	kind     string
	metadata map[string]string
	path     []any
}

type vpa struct {
	*manifest.Object
	on   target
	mode string
}

// cpa is a Deployment of Cluster Proportional Autoscaler.
type cpa struct {
	*manifest.Object
	on target
}

func newSet(objects []*manifest.Object) *set {
	s := &set{all: objects}
	for _, o := range objects {
		switch o.GroupVersionKind().GroupKind().String() {
		case "Deployment.apps":
			if d, err := manifest.As[appsv1.Deployment](o); err == nil {
				s.add(workload{o, targetOf(o), d.Spec.Replicas, d.Spec.Template.Spec})
			}
		case "StatefulSet.apps":
			if d, err := manifest.As[appsv1.StatefulSet](o); err == nil {
				s.add(workload{o, targetOf(o), d.Spec.Replicas, d.Spec.Template.Spec})
			}
		case "HorizontalPodAutoscaler.autoscaling":
			if h, err := manifest.As[autoscalingv2.HorizontalPodAutoscaler](o); err == nil && o.GroupVersionKind().Version == "v2" {
				s.hpas = append(s.hpas, hpa{o, target{o.GetNamespace(), h.Spec.ScaleTargetRef.Kind, h.Spec.ScaleTargetRef.Name}, h.Spec})
			}
		case "ScaledObject.keda.sh":
			s.scaledObjects = append(s.scaledObjects, scaled{o, refOf(o, "scaleTargetRef"), triggersOf(o)})
		case "VerticalPodAutoscaler.autoscaling.k8s.io":
			s.vpas = append(s.vpas, vpa{o, refOf(o, "targetRef"), stringAt(o, "Recreate", "spec", "updatePolicy", "updateMode")})
		}
	}
	return s
}

func (s *set) add(w workload) {
	s.workloads = append(s.workloads, w)
	for _, arg := range argumentsOf(w) {
		ref, ok := strings.CutPrefix(arg, "--target=")
		if !ok || !strings.Contains(imagesOf(w), "cluster-proportional-autoscaler") {
			continue
		}
		kind, name, _ := strings.Cut(ref, "/")
		namespace := w.GetNamespace()
		for _, arg := range argumentsOf(w) {
			if ns, ok := strings.CutPrefix(arg, "--namespace="); ok {
				namespace = ns
			}
		}
		s.cpas = append(s.cpas, cpa{w.Object, target{namespace, kindOf(kind), name}})
	}
}

// kindOf is the kind of a name as kubectl takes it.
func kindOf(name string) string {
	for _, kind := range []string{"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"} {
		if strings.EqualFold(strings.TrimSuffix(name, "s"), kind) {
			return kind
		}
	}
	return name
}

// workloadOf is the workload that a scaler acts on, and whether it is among what is applied.
func (s *set) workloadOf(t target) (workload, bool) {
	for _, w := range s.workloads {
		if w.on.same(t) {
			return w, true
		}
	}
	return workload{}, false
}

func targetOf(o *manifest.Object) target {
	return target{o.GetNamespace(), o.GetKind(), o.GetName()}
}

func refOf(o *manifest.Object, field string) target {
	return target{o.GetNamespace(), stringAt(o, "Deployment", "spec", field, "kind"), stringAt(o, "", "spec", field, "name")}
}

func stringAt(o *manifest.Object, otherwise string, path ...string) string {
	if v, ok, err := unstructured.NestedString(o.Object, path...); ok && err == nil && v != "" {
		return v
	}
	return otherwise
}

func triggersOf(o *manifest.Object) []trigger {
	items, _, _ := unstructured.NestedSlice(o.Object, "spec", "triggers")
	var all []trigger
	for i, item := range items {
		fields, _ := item.(map[string]any)
		kind, _, _ := unstructured.NestedString(fields, "type")
		metadata, _, _ := unstructured.NestedStringMap(fields, "metadata")
		all = append(all, trigger{kind, metadata, []any{"spec", "triggers", i}})
	}
	return all
}

// argumentsOf are the command lines of all containers.
func argumentsOf(w workload) []string {
	var all []string
	for _, c := range w.pod.Containers {
		all = append(all, slices.Concat(c.Command, c.Args)...)
	}
	return all
}

func imagesOf(w workload) string {
	var all []string
	for _, c := range w.pod.Containers {
		all = append(all, c.Image)
	}
	return strings.Join(all, " ")
}

// longRunning are the containers that run beside each other: those of the pod, and the init containers that never end.
func longRunning(w workload) []struct {
	corev1.Container
	Path []any
} {
	var all []struct {
		corev1.Container
		Path []any
	}
	for i, c := range w.pod.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all, struct {
				corev1.Container
				Path []any
			}{c, []any{"spec", "template", "spec", "initContainers", i}})
		}
	}
	for i, c := range w.pod.Containers {
		all = append(all, struct {
			corev1.Container
			Path []any
		}{c, []any{"spec", "template", "spec", "containers", i}})
	}
	return all
}
