package lint

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podMemoryFloor is what VPA's recommender gives a pod at least, unless its flag --pod-recommendation-min-memory-mb says otherwise.
const podMemoryFloor = 250 << 20

func deprecatedAuto(s *set) []Finding {
	var all []Finding
	for _, v := range s.vpas {
		if v.mode == "Auto" {
			all = append(all, Finding{
				Severity: Warning,
				Message:  v.Ref() + " has updateMode Auto, which is deprecated",
				Why:      "It means Recreate today, and may mean something else tomorrow.",
				Fix:      "Say what you want: Recreate, InPlaceOrRecreate or Initial.",
				Places:   []Place{at(v.Object, "spec", "updatePolicy", "updateMode")},
			})
		}
	}
	return all
}

func memoryBelowFloor(s *set) []Finding {
	var all []Finding
	for _, v := range s.vpas {
		containers := int64(1)
		if w, ok := s.workloadOf(v.on); ok {
			containers = int64(len(longRunning(w)))
		}
		policies, _, _ := unstructured.NestedSlice(v.Object.Object, "spec", "resourcePolicy", "containerPolicies")
		for i, p := range policies {
			fields, _ := p.(map[string]any)
			least, ok, _ := unstructured.NestedString(fields, "minAllowed", "memory")
			q, err := resource.ParseQuantity(least)
			if !ok || err != nil || q.Value() >= podMemoryFloor/containers {
				continue
			}
			all = append(all, Finding{
				Severity: Warning,
				Message:  fmt.Sprintf("%s allows %s of memory, which VPA never recommends", v.Ref(), least),
				Why:      "The recommender gives a pod 250 MiB at least, divided over its containers, whatever minAllowed says.",
				Fix:      "Leave minAllowed.memory out, and where pods are small run the recommender with --pod-recommendation-min-memory-mb=32 or so.",
				Places:   []Place{at(v.Object, "spec", "resourcePolicy", "containerPolicies", i, "minAllowed", "memory")},
			})
		}
	}
	return all
}

// singletonNeverUpdated finds a VPA that waits for a second replica.
func singletonNeverUpdated(s *set) []Finding {
	var all []Finding
	for _, v := range s.vpas {
		w, ok := s.workloadOf(v.on)
		if !ok || v.mode == "Off" || v.mode == "Initial" || number(v.Object, -1, "spec", "updatePolicy", "minReplicas") >= 0 || s.scaledAbove(v.on, 1) {
			continue
		}
		if w.replicas != nil && *w.replicas != 1 {
			continue
		}
		all = append(all, Finding{
			Severity: Warning,
			Message:  fmt.Sprintf("%s has one replica, which %s leaves as it is", w.Ref(), v.Ref()),
			Why:      "The updater evicts no pod of a workload with fewer than two replicas, unless it is told to.",
			Fix:      "Set spec.updatePolicy.minReplicas: 1 where a short gap is bearable, run two replicas, or use updateMode Initial.",
			Places:   []Place{at(v.Object, "spec", "updatePolicy"), at(w.Object, "spec", "replicas")},
		})
	}
	return all
}

// scaledAbove tells whether an autoscaler keeps the workload above so many replicas, or may.
func (s *set) scaledAbove(t target, n int32) bool {
	for _, h := range s.hpas {
		if h.on.same(t) && h.spec.MinReplicas != nil && *h.spec.MinReplicas > n {
			return true
		}
	}
	for _, k := range s.scaledObjects {
		if k.on.same(t) && number(k.Object, 0, "spec", "minReplicaCount") > int64(n) {
			return true
		}
	}
	return false
}
