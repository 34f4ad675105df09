package engine

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"k8s-scalers/windtunnel/manifest"
	"k8s-scalers/windtunnel/report"
	"k8s-scalers/windtunnel/scalers/keda"
	"k8s-scalers/windtunnel/workload"
)

// operator is KEDA with the queues that it reads.
type operator struct {
	*keda.Operator
	queues *queues
}

func (r *run) newOperator() *operator {
	q := &queues{run: r}
	return &operator{keda.New(r.cluster.API, q, r.deciding.kedaScaled), q}
}

// operate takes the ScaledObjects in. One that is wrong or asks for what is not modelled has no effect on the run, and the report says so.
func (r *run) operate(w *world) error {
	for _, o := range w.scaledObjects {
		scaledObject, err := manifest.As[keda.ScaledObject](o)
		if err != nil {
			return err
		}
		if scaledObject.Namespace == "" {
			scaledObject.Namespace = "default"
		}
		scaledObject.UID = types.UID(uuid.NewSHA1(uuid.NameSpaceOID, []byte(o.Ref())).String())
		if !w.has(scaledObject.Namespace, scaledObject.Spec.ScaleTargetRef.Name) {
			r.warn(o, fmt.Sprintf("it can never work: there is no Deployment %s/%s", scaledObject.Namespace, scaledObject.Spec.ScaleTargetRef.Name),
				"spec", "scaleTargetRef", "name")
			continue
		}
		for i, t := range scaledObject.Spec.Triggers {
			if queue := t.Metadata["queueName"]; t.Type == "rabbitmq" && r.keda.queues.find(queue) == nil {
				r.warn(o, fmt.Sprintf("this trigger can never work: no workload of the scenario has the queue %q; name it under jobs.queue", queue),
					"spec", "triggers", i, "metadata", "queueName")
			}
		}
		problem := (*keda.SpecError)(nil)
		switch err := r.keda.Add(scaledObject, r.start.Add(tick)); {
		case errors.As(err, &problem):
			r.leftOut(o, "it is left out, and its workload is not scaled by it: "+problem.Text, problem.Path...)
		case err != nil:
			return fmt.Errorf("%s: %s: %w", o.Position(), o.Ref(), err)
		}
	}
	return nil
}

func (w *world) has(namespace, deployment string) bool {
	for _, d := range w.deployments {
		if d.object.Namespace == namespace && d.object.Name == deployment {
			return true
		}
	}
	return false
}

// external is how the HorizontalController asks KEDA.
func (o *operator) external(namespace, name string, selector labels.Selector) (float64, bool, error) {
	return o.Metric(namespace, name, selector, time.Now())
}

// kedaScaled is told by the operator about the steps that it takes itself.
func (d *decisions) kedaScaled(namespace, name string, from, to int32, reason string) {
	d.add(report.Decision{
		Scaler: "keda", Kind: report.KindReplicas, Object: "Deployment " + namespace + "/" + name,
		From: strconv.Itoa(int(from)), To: strconv.Itoa(int(to)), Reason: reason,
	})
}

// asleep tells whether a HorizontalPodAutoscaler rests because KEDA has taken its workload to none, which is as it should be.
func asleep(h *autoscalingv2.HorizontalPodAutoscaler, reason string) bool {
	return keda.Owns(h) && reason == "ScalingDisabled"
}

// statistics is how often RabbitMQ renews the figures of its HTTP interface: collect_statistics_interval, 5 s unless it is set.
const statistics = 5 * time.Second

// queues is the broker: AMQP tells what is on a queue now, HTTP what was there when the statistics were last renewed. Neither can be
// read while the pipeline of metrics has a gap.
type queues struct {
	run     *run
	renewed time.Time
	figures map[*workload.Jobs]figures
}

type figures struct {
	keda.Queue
	published, delivered uint64
}

func (q *queues) find(name string) *workload.Jobs {
	for _, l := range q.run.loads {
		if l.jobs != nil && l.spec.Jobs.Queue == name {
			return l.jobs
		}
	}
	return nil
}

// step renews the statistics when it is time.
func (q *queues) step(now time.Time) {
	if now.Sub(q.renewed) < statistics {
		return
	}
	passed := min(now.Sub(q.renewed), statistics).Seconds()
	q.renewed = now
	before := q.figures
	q.figures = map[*workload.Jobs]figures{}
	for _, l := range q.run.loads {
		if l.jobs == nil {
			continue
		}
		f := figures{}
		f.Ready, f.Unacknowledged = l.jobs.Messages()
		f.published, f.delivered = l.jobs.Traffic()
		f.PublishRate = float64(f.published-before[l.jobs].published) / passed
		f.DeliverRate = float64(f.delivered-before[l.jobs].delivered) / passed
		q.figures[l.jobs] = f
	}
}

// Queue implements keda.Broker.
func (q *queues) Queue(name string, protocol keda.Protocol) (keda.Queue, error) {
	jobs := q.find(name)
	switch {
	case q.run.pipeline.Broken(time.Now()):
		return keda.Queue{}, errors.New("metrics have a gap")
	case jobs == nil:
		return keda.Queue{}, errors.New("there is no such queue")
	case protocol == keda.AMQP:
		ready, _ := jobs.Messages()
		return keda.Queue{Ready: ready}, nil
	default:
		return q.figures[jobs].Queue, nil
	}
}
