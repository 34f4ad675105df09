package engine

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"k8s-scalers/windtunnel/internal/vtime"
	"k8s-scalers/windtunnel/report"
)

// weekend is how far it is from the beginning of every bubble, a Saturday, to a Monday, on which runs begin: schedules of scalers
// look at the calendar.
const weekend = 48 * time.Hour

// patience is how long first pods may take to become ready.
const patience = 15 * time.Minute

// warmUp lets time pass without load until the replicas that the manifests and their scalers ask for are ready. What happened until
// then is not part of the run: nobody puts load on a system that is being installed.
func (r *run) warmUp() {
	for began := time.Now(); ; {
		r.turn()
		waiting := r.unready()
		if len(waiting) == 0 {
			break
		}
		if time.Since(began) >= patience {
			r.result.Warnings = append(r.result.Warnings, report.Note{
				Text: fmt.Sprintf("the load begins although, after %v, first pods are not ready: %s", patience, strings.Join(waiting, ", ")),
			})
			break
		}
		time.Sleep(tick)
		vtime.Settle()
	}
	r.start = time.Now()
	r.result.Start = r.start
	r.deciding.begin(r.start)
	r.pipeline.Begin(r.start)
	r.nodes.Begin(r.start)
	for _, l := range r.loads {
		l.cpuSeconds, l.cpuWindow = 0, 0
	}
}

// unready names the Deployments whose first replicas are not all ready, or that have not reached the minimum of their
// HorizontalPodAutoscaler yet.
func (r *run) unready() []string {
	lowest := map[string]int32{}
	for _, o := range r.cluster.Peek(scalerResource) {
		h := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if h.Spec.MinReplicas != nil && h.Spec.ScaleTargetRef.Kind == "Deployment" {
			lowest[h.Namespace+"/"+h.Spec.ScaleTargetRef.Name] = *h.Spec.MinReplicas
		}
	}
	var names []string
	for _, o := range r.cluster.Peek(deploymentResource) {
		d := o.(*appsv1.Deployment)
		name, asked := d.Namespace+"/"+d.Name, int32(1)
		if d.Spec.Replicas != nil {
			asked = *d.Spec.Replicas
		}
		if asked > 0 && asked < lowest[name] || d.Status.ObservedGeneration < d.Generation || d.Status.ReadyReplicas < asked {
			names = append(names, name)
		}
	}
	return names
}
