package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/scalers/keda"
)

// world is what the manifests say, in the types of Kubernetes.
type world struct {
	deployments []sourced[*appsv1.Deployment]
	scalers     []sourced[*autoscalingv2.HorizontalPodAutoscaler]
	// scaledObjects are KEDA's, of which the cluster knows the HorizontalPodAutoscalers only.
	scaledObjects []*manifest.Object
	verticals     []sourced[*vpav1.VerticalPodAutoscaler]
	pools         []sourced[*karpv1.NodePool]
	daemons       []sourced[*appsv1.DaemonSet]
}

// sourced is an object and where it came from.
type sourced[T any] struct {
	object T
	source *manifest.Object
}

// harmless kinds have no part in how a workload scales; what the run would do about them is nothing, and rightly so.
var harmless = []string{
	"Namespace", "Service", "ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
	"CustomResourceDefinition", "ServiceMonitor", "PodMonitor", "PrometheusRule", "ExternalSecret", "SecretStore",
	"TriggerAuthentication", "ClusterTriggerAuthentication",
}

// unmodelled says what a run leaves out of a kind that does matter.
var unmodelled = map[string]string{
	"NetworkPolicy":         "networks are not modelled: every pod reaches every other",
	"Ingress":               "the way from users to pods is not modelled; requests arrive at the pods of their Deployment",
	"Gateway":               "the way from users to pods is not modelled; requests arrive at the pods of their Deployment",
	"HTTPRoute":             "the way from users to pods is not modelled; requests arrive at the pods of their Deployment",
	"StatefulSet":           "only Deployments are run; its pods are left out, and so are their requests for CPU and memory",
	"Job":                   "only Deployments are run; its pods are left out",
	"CronJob":               "only Deployments are run; its pods are left out",
	"Pod":                   "only Deployments are run; the pod is left out",
	"ResourceQuota":         "quotas are not enforced",
	"LimitRange":            "its defaults are not applied to pods",
	"VerticalPodAutoscaler": "only Deployments are run; it is left out",
	"ScaledJob":             keda.NoScaledJobs,
	"PersistentVolumeClaim": "volumes are not modelled",
	"StorageClass":          "volumes are not modelled",
}

// fill creates the objects of the manifests in the cluster.
func (r *run) fill() (*world, error) {
	w := &world{}
	var mistakes []error
	for _, o := range r.Objects {
		if err := r.take(w, o); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return w, errors.Join(mistakes...)
}

func (r *run) take(w *world, o *manifest.Object) error {
	switch kind := o.GroupVersionKind().GroupKind(); kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		return r.takeDeployment(w, o)
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return r.takeDaemonSet(w, o)
	case schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
		if version := o.GroupVersionKind().Version; version != "v2" {
			return fmt.Errorf("%s: %s: expected apiVersion autoscaling/v2, found autoscaling/%s", o.Position("apiVersion"), o.Ref(), version)
		}
		return create(r, o, &w.scalers)
	case schema.GroupKind{Group: "keda.sh", Kind: keda.Kind}:
		w.scaledObjects = append(w.scaledObjects, o)
		return nil
	case schema.GroupKind{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}:
		v, err := manifest.As[vpav1.VerticalPodAutoscaler](o)
		if err != nil {
			return err
		}
		if v.Namespace == "" {
			v.Namespace = "default"
		}
		w.verticals = append(w.verticals, sourced[*vpav1.VerticalPodAutoscaler]{v, o})
		return nil
	case schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}:
		return create(r, o, &[]sourced[*policyv1.PodDisruptionBudget]{})
	case schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:
		return create(r, o, &[]sourced[*schedulingv1.PriorityClass]{})
	case schema.GroupKind{Group: "karpenter.sh", Kind: "NodePool"}:
		return r.takePool(w, o)
	case schema.GroupKind{Group: "karpenter.k8s.aws", Kind: "EC2NodeClass"}:
		return r.takeClass(o)
	default:
		r.leaveOut(o)
		return nil
	}
}

// takeDeployment puts a Deployment into the cluster, without what is not modelled.
func (r *run) takeDeployment(w *world, o *manifest.Object) error {
	deployment, err := manifest.As[appsv1.Deployment](o)
	if err != nil {
		return err
	}
	r.notePodSpec(o, deployment.Spec.Template.Spec)
	slim(deployment)
	return add(r, o, deployment, &w.deployments)
}

// takeDaemonSet puts a DaemonSet into the cluster, which matters for what its pods take of each node.
func (r *run) takeDaemonSet(w *world, o *manifest.Object) error {
	set, err := manifest.As[appsv1.DaemonSet](o)
	if err != nil {
		return err
	}
	slimPod(&set.Spec.Template.Spec)
	return add(r, o, set, &w.daemons)
}

// create puts an object into the cluster and into a list.
func create[T any, P interface {
	*T
	cluster.Object
}](r *run, o *manifest.Object, into *[]sourced[P]) error {
	typed, err := manifest.As[T](o)
	if err != nil {
		return err
	}
	return add(r, o, P(typed), into)
}

func add[P cluster.Object](r *run, o *manifest.Object, object P, into *[]sourced[P]) error {
	kind := o.GroupVersionKind()
	if object.GetNamespace() == "" && kind.Kind != "PriorityClass" {
		object.SetNamespace("default")
	}
	stored, err := r.cluster.Create(cluster.ResourceOf(kind.GroupKind()), object)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", o.Position(), o.Ref(), err)
	}
	*into = append(*into, sourced[P]{stored.(P), o})
	return nil
}

// leaveOut notes what has no effect on the run.
func (r *run) leaveOut(o *manifest.Object) {
	kind := o.GetKind()
	if slices.Contains(harmless, kind) {
		return
	}
	why, known := unmodelled[kind]
	if !known {
		why = "this kind is not modelled"
	}
	r.leftOut(o, why)
}

// populate makes the loads of the Deployments.
func (r *run) populate(w *world) error {
	var found []string
	for _, d := range w.deployments {
		l, err := r.newLoad(d.object)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", d.source.Position("spec", "selector"), d.source.Ref(), err)
		}
		r.loads = append(r.loads, l)
		found = append(found, l.id())
		if l.spec == nil {
			r.leftOut(d.source, "the scenario gives it no load; its pods only take room")
		}
	}
	var mistakes []error
	for i, spec := range r.Scenario.Workloads {
		if !slices.Contains(found, spec.Deployment) {
			mistakes = append(mistakes, fmt.Errorf("%s: workloads[%d].deployment: the manifests have no Deployment %s; they have %s",
				r.Scenario.Position(fmt.Sprintf("workloads[%d].deployment", i)), i, spec.Deployment, cmp.Or(strings.Join(found, ", "), "none")))
		}
	}
	return errors.Join(mistakes...)
}

// notePodSpec lists what the model of pods leaves out of a Deployment.
func (r *run) notePodSpec(o *manifest.Object, pod corev1.PodSpec) {
	note := func(text string, path ...any) {
		r.leftOut(o, text, append([]any{"spec", "template", "spec"}, path...)...)
	}
	if len(pod.InitContainers) > 0 {
		note("init containers take no time", "initContainers")
	}
	if len(pod.Containers) > 1 {
		note("the load runs in the first container; the others use nothing", "containers")
	}
	for i, c := range pod.Containers {
		if c.LivenessProbe != nil {
			note("liveness probes never fail", "containers", i, "livenessProbe")
		}
		if c.StartupProbe != nil {
			note("startup probes do not delay readiness", "containers", i, "startupProbe")
		}
		if l := c.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep == nil {
			note("only a preStop that sleeps is run", "containers", i, "lifecycle")
		}
	}
}
