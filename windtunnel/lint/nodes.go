package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/manifest"
)

func (s *set) nodePools() []*manifest.Object {
	return slices.DeleteFunc(slices.Clone(s.all), func(o *manifest.Object) bool {
		return o.GetKind() != "NodePool" || o.GroupVersionKind().Group != "karpenter.sh"
	})
}

// running are the workloads with an image of that name.
func (s *set) running(image string) []workload {
	return slices.DeleteFunc(slices.Clone(s.workloads), func(w workload) bool { return !strings.Contains(imagesOf(w), image) })
}

func casAndKarpenter(s *set) []Finding {
	var all []Finding
	for _, w := range s.running("cluster-autoscaler") {
		for _, p := range s.nodePools() {
			all = append(all, Finding{
				Severity: Warning,
				Message:  fmt.Sprintf("Cluster Autoscaler (%s) and Karpenter (%s) are applied together", w.Ref(), p.Ref()),
				Why:      "Both answer the same pending pod with a node, and each takes away what the other has added.",
				Fix:      "Keep one of them. While you move from one to the other, keep their nodes apart by taints.",
				Places:   []Place{at(w.Object), at(p)},
			})
		}
	}
	return all
}

func listedNodeGroups(s *set) []Finding {
	var all []Finding
	for _, w := range s.running("cluster-autoscaler") {
		for _, arg := range argumentsOf(w) {
			if !strings.HasPrefix(arg, "--nodes=") && arg != "--nodes" {
				continue
			}
			all = append(all, Finding{
				Severity: Warning,
				Message:  fmt.Sprintf("%s lists its node groups: %s", w.Ref(), arg),
				Why:      "A group that is added or renamed is not scaled until somebody remembers this list, and its bounds stand in two places.",
				Fix:      "Use --node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/<cluster>, and tag the groups.",
				Places:   []Place{at(w.Object, "spec", "template", "spec", "containers")},
			})
		}
	}
	return all
}

// churningNodePool finds pools that move pods all day long.
func churningNodePool(s *set) []Finding {
	var all []Finding
	for _, p := range s.nodePools() {
		policy := stringAt(p, "WhenEmptyOrUnderutilized", "spec", "disruption", "consolidationPolicy")
		after := stringAt(p, "0s", "spec", "disruption", "consolidateAfter")
		wait, err := time.ParseDuration(after)
		if policy == "WhenEmpty" || after == "Never" || err != nil || wait >= time.Minute {
			continue
		}
		all = append(all, Finding{
			Severity: Warning,
			Message:  fmt.Sprintf("%s moves pods to cheaper nodes after %s without a change", p.Ref(), after),
			Why:      "Each time that an autoscaler takes some pods away, nodes are replaced by smaller ones, and again when the pods come back.",
			Fix:      "Set spec.disruption.consolidateAfter to some minutes, and budgets that say how many nodes may go at a time and when.",
			Places:   []Place{at(p, "spec", "disruption", "consolidateAfter")},
		})
	}
	return all
}

// spotWithoutQueue looks at Karpenter's own Deployment where that is applied, too.
func spotWithoutQueue(s *set) []Finding {
	var all []Finding
	for _, w := range s.running("karpenter") {
		if slices.ContainsFunc(argumentsOf(w), func(arg string) bool { return strings.HasPrefix(arg, "--interruption-queue") }) || hasEnv(w, "INTERRUPTION_QUEUE") {
			continue
		}
		for _, p := range s.nodePools() {
			if !usesSpot(p) {
				continue
			}
			all = append(all, Finding{
				Message: fmt.Sprintf("%s uses spot nodes, and %s has no interruption queue", p.Ref(), w.Ref()),
				Why:     "Karpenter does not hear that AWS takes a node back in two minutes: the pods on it are killed, and replaced only afterwards.",
				Fix:     "Give Karpenter INTERRUPTION_QUEUE (settings.interruptionQueue in its Helm values), the name of the SQS queue.",
				Places:  []Place{at(p, "spec", "template", "spec", "requirements"), at(w.Object)},
			})
		}
	}
	return all
}

func hasEnv(w workload, name string) bool {
	for _, c := range w.pod.Containers {
		for _, e := range c.Env {
			if e.Name == name && (e.Value != "" || e.ValueFrom != nil) {
				return true
			}
		}
	}
	return false
}

func usesSpot(p *manifest.Object) bool {
	requirements, _, _ := unstructured.NestedSlice(p.Object, "spec", "template", "spec", "requirements")
	for _, r := range requirements {
		fields, _ := r.(map[string]any)
		values, _, _ := unstructured.NestedStringSlice(fields, "values")
		if fields["key"] == "karpenter.sh/capacity-type" && fields["operator"] == "In" && slices.Contains(values, "spot") {
			return true
		}
	}
	return false
}
