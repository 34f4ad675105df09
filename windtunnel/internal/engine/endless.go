package engine

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"k8s-scalers/windtunnel/report"
)

// endless is a cluster without limits: one node that never fills up and costs nothing. It is what a scenario without nodes
// gets, in which only the number of pods matters.
type endless struct{ run *run }

const endlessNode = "endless"

var (
	podResource  = schema.GroupResource{Resource: "pods"}
	nodeResource = schema.GroupResource{Resource: "nodes"}
)

func newEndless(r *run) (*endless, error) {
	r.result.NotModelled = append(r.result.NotModelled, report.Note{
		Where: r.Scenario.File, Text: "the scenario has no cluster.nodes: pods run on one node that never fills up and costs nothing",
	})
	_, err := r.cluster.Create(nodeResource, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: endlessNode},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	})
	return &endless{r}, err
}

func (e *endless) Start() {}

func (e *endless) Stop() {}

func (e *endless) Begin(time.Time) {}

func (e *endless) preflight(w *world) {
	if deployed, _ := w.clusterAutoscaler(); deployed != nil {
		e.run.warn(deployed.source, "it can never do anything: the scenario has no cluster.nodes")
	}
}

func (e *endless) Step(time.Time) {
	for _, pod := range e.run.cluster.Unbound() {
		// A pod that vanished meanwhile needs no node.
		_ = e.run.cluster.Bind(&corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}, Target: corev1.ObjectReference{Name: endlessNode},
		})
	}
}

func (e *endless) Sample(int) {}

func (e *endless) Finish(time.Duration) {}
