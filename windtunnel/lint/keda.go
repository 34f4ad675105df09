package lint

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/manifest"
)

// fromQueue are the triggers that count messages of RabbitMQ.
func fromQueue(k scaled) []trigger {
	var all []trigger
	for _, t := range k.triggers {
		if t.kind == "rabbitmq" {
			all = append(all, t)
		}
	}
	return all
}

func unackedNotCounted(s *set) []Finding {
	var all []Finding
	for _, k := range s.scaledObjects {
		for _, t := range fromQueue(k) {
			if mode := t.metadata["mode"]; mode != "QueueLength" && mode != "" && mode != "Unknown" {
				continue
			}
			f := Finding{
				Severity: Warning,
				Why: "While the last tasks are in work the queue looks empty: workers are taken away in the middle of them, and at none left the tasks " +
					"come back and start again.",
				Fix:    `Set protocol: http, give the address of RabbitMQ's HTTP interface, and leave excludeUnacknowledged off.`,
				Places: []Place{at(k.Object, append(t.path, "metadata")...)},
			}
			switch {
			case t.metadata["protocol"] == "amqp":
				f.Message = k.Ref() + " reads the queue over AMQP, which counts waiting messages only, not those in work"
			case t.metadata["protocol"] != "http":
				f.Message = k.Ref() + " does not say how it reads the queue; an amqp address counts waiting messages only, not those in work"
			case t.metadata["excludeUnacknowledged"] == "true":
				f.Message = k.Ref() + " excludes messages that are in work"
			default:
				continue
			}
			all = append(all, f)
		}
	}
	return all
}

// fallbackToZero finds a failed read that KEDA takes for an empty queue.
func fallbackToZero(s *set) []Finding {
	var all []Finding
	for _, k := range s.scaledObjects {
		if len(fromQueue(k)) == 0 {
			continue
		}
		_, has, _ := unstructured.NestedMap(k.Object.Object, "spec", "fallback")
		replicas := number(k.Object, -1, "spec", "fallback", "replicas")
		switch {
		case !has:
			all = append(all, Finding{
				Severity: Warning,
				Message:  k.Ref() + " has no fallback",
				Why:      "While the queue cannot be read, the replicas stay as they happen to be, however much comes in meanwhile.",
				Fix:      "Add spec.fallback with failureThreshold, replicas of at least 1 and behavior: currentReplicasIfHigher.",
				Places:   []Place{at(k.Object, "spec")},
			})
		case replicas == 0:
			all = append(all, Finding{
				Message: k.Ref() + " falls back to no replicas when the queue cannot be read",
				Why:     "A failed read is not an empty queue; with replicas: 0 KEDA scales to zero whatever the behavior of the fallback says.",
				Fix:     "Set spec.fallback.replicas to at least 1.",
				Places:  []Place{at(k.Object, "spec", "fallback", "replicas")},
			})
		}
	}
	return all
}

func cooldownWithoutZero(s *set) []Finding {
	var all []Finding
	for _, k := range s.scaledObjects {
		cooldown := number(k.Object, -1, "spec", "cooldownPeriod")
		if cooldown < 0 || number(k.Object, 0, "spec", "minReplicaCount") == 0 || number(k.Object, -1, "spec", "idleReplicaCount") >= 0 {
			continue
		}
		all = append(all, Finding{
			Severity: Warning,
			Message:  fmt.Sprintf("%s has a cooldownPeriod of %d s, which never applies", k.Ref(), cooldown),
			Why:      "The period is only for the step to zero, and minReplicaCount forbids that step. How fast replicas go otherwise is up to the HPA.",
			Fix:      "Set spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown instead, or minReplicaCount: 0.",
			Places:   []Place{at(k.Object, "spec", "cooldownPeriod")},
		})
	}
	return all
}

// shortGracePeriod finds workers that are killed in the middle of a task when they are scaled in.
func shortGracePeriod(s *set) []Finding {
	var all []Finding
	for _, k := range s.scaledObjects {
		w, ok := s.workloadOf(k.on)
		if !ok || len(fromQueue(k)) == 0 {
			continue
		}
		grace := int64(30)
		if w.pod.TerminationGracePeriodSeconds != nil {
			grace = *w.pod.TerminationGracePeriodSeconds
		}
		if grace > 30 {
			continue
		}
		all = append(all, Finding{
			Severity: Warning,
			Message:  fmt.Sprintf("the pods of %s get %d s to end, and %s takes them away while they work", w.Ref(), grace, k.Ref()),
			Why:      "A worker that cannot finish or give back its task in that time is killed, and the task starts again from the beginning.",
			Fix:      "Set terminationGracePeriodSeconds above the longest task, let the worker stop taking tasks on SIGTERM, and let it set controller.kubernetes.io/pod-deletion-cost while it is busy.",
			Places:   []Place{at(w.Object, "spec", "template", "spec", "terminationGracePeriodSeconds"), at(k.Object, "spec", "scaleTargetRef")},
		})
	}
	return all
}

// number is an integer field, or otherwise where there is none.
func number(o *manifest.Object, otherwise int64, path ...string) int64 {
	if v, ok, err := unstructured.NestedInt64(o.Object, path...); ok && err == nil {
		return v
	}
	return otherwise
}
