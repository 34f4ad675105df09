package keda

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// broker has one queue, or none where err is set.
type broker struct {
	queue Queue
	err   error
	asked []Protocol
}

func (b *broker) Queue(_ string, protocol Protocol) (Queue, error) {
	b.asked = append(b.asked, protocol)
	return b.queue, b.err
}

func TestRabbitMQ(t *testing.T) {
	queue := Queue{Ready: 10, Unacknowledged: 4, PublishRate: 6, DeliverRate: 2}
	idle := Queue{Ready: 3, PublishRate: 6}
	for name, c := range map[string]struct {
		queue      Queue
		metadata   map[string]string
		value      float64
		active     bool
		name       string
		perReplica float64
	}{
		"nothing said":                {queue, map[string]string{"protocol": "http"}, 14, true, "rabbitmq-jobs", 20},
		"ready and in work":           {queue, map[string]string{"protocol": "http", "mode": queueLength, "value": "2"}, 14, true, "rabbitmq-jobs", 2},
		"ready only":                  {queue, map[string]string{"protocol": "http", "mode": queueLength, "value": "2", "excludeUnacknowledged": "true"}, 10, true, "rabbitmq-jobs", 2},
		"over AMQP":                   {queue, map[string]string{"protocol": "amqp", "mode": queueLength, "value": "2"}, 10, true, "rabbitmq-jobs", 2},
		"by address":                  {queue, map[string]string{"host": "amqps://broker/", "queueLength": "5"}, 10, true, "rabbitmq-jobs", 5},
		"at the activation value":     {queue, map[string]string{"protocol": "http", "activationValue": "14"}, 14, false, "rabbitmq-jobs", 20},
		"a rate":                      {queue, map[string]string{"protocol": "http", "mode": messageRate, "value": "1", "activationValue": "13"}, 6, true, "rabbitmq-jobs", 1},
		"a rate of delivery":          {queue, map[string]string{"protocol": "http", "mode": deliverGetRate, "value": "1", "activationValue": "2"}, 2, false, "rabbitmq-jobs", 1},
		"a ratio":                     {queue, map[string]string{"protocol": "http", "mode": publishedToRead, "value": "1"}, 3, true, "rabbitmq-jobs", 1},
		"a ratio without deliveries":  {idle, map[string]string{"protocol": "http", "mode": publishedToRead, "value": "1", "activationValue": "7"}, 7, true, "rabbitmq-jobs", 1},
		"a ratio without anything":    {Queue{}, map[string]string{"protocol": "http", "mode": publishedToRead, "value": "1"}, 0, false, "rabbitmq-jobs", 1},
		"a time":                      {queue, map[string]string{"protocol": "http", "mode": consumptionTime, "value": "1"}, 9, true, "rabbitmq-jobs", 1},
		"a time without deliveries":   {idle, map[string]string{"protocol": "http", "mode": consumptionTime, "value": "1", "activationValue": "7"}, 7, true, "rabbitmq-jobs", 1},
		"a time without messages":     {Queue{PublishRate: 1}, map[string]string{"protocol": "http", "mode": consumptionTime, "value": "1"}, 0, false, "rabbitmq-jobs", 1},
		"a name with other signs":     {queue, map[string]string{"protocol": "http", "queueName": "v1.jobs/long one"}, 14, true, "rabbitmq-v1-jobs-2Flong+one", 20},
		"unknown is no mode":          {queue, map[string]string{"protocol": "http", "mode": "Unknown"}, 14, true, "rabbitmq-jobs", 20},
		"less than a message a pod":   {queue, map[string]string{"protocol": "http", "mode": queueLength, "value": "0.25"}, 14, true, "rabbitmq-jobs", 0.25},
		"excludes nothing by default": {queue, map[string]string{"protocol": "http", "excludeUnacknowledged": "false"}, 14, true, "rabbitmq-jobs", 20},
	} {
		t.Run(name, func(t *testing.T) {
			if c.metadata["queueName"] == "" {
				c.metadata["queueName"] = "jobs"
			}
			b := &broker{queue: c.queue}
			made, err := newTrigger("worker", 2, Trigger{Type: "rabbitmq", Metadata: c.metadata}, b)
			require.NoError(t, err)
			value, active, err := made.source.read(time.Now())
			require.NoError(t, err)
			require.InDelta(t, c.value, value, 1e-9)
			require.Equal(t, c.active, active)
			require.Equal(t, "s2-"+c.name, made.name())
			require.InDelta(t, c.perReplica, made.spec.External.Target.AverageValue.AsApproximateFloat64(), 0)
			require.Equal(t, map[string]string{"scaledobject.keda.sh/name": "worker"}, made.spec.External.Metric.Selector.MatchLabels)

			b.err = errors.New("connection refused")
			_, _, err = made.source.read(time.Now())
			require.ErrorContains(t, err, "read the queue "+c.metadata["queueName"]+": connection refused")
		})
	}
}

func TestCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	office := map[string]string{"timezone": "Europe/Berlin", "start": "45 7 * * 1-5", "end": "0 18 * * 1-5", "desiredReplicas": "2"}
	night := map[string]string{"timezone": "Europe/Berlin", "start": "0 22 * * *", "end": "0 6 * * *", "desiredReplicas": "5"}
	for name, c := range map[string]struct {
		metadata map[string]string
		at       time.Time
		want     float64
	}{
		"before":                 {office, time.Date(2026, 1, 5, 7, 44, 59, 0, berlin), 0},
		"at the start":           {office, time.Date(2026, 1, 5, 7, 45, 0, 0, berlin), 2},
		"within":                 {office, time.Date(2026, 1, 5, 12, 0, 0, 0, berlin), 2},
		"within, in UTC":         {office, time.Date(2026, 1, 5, 6, 50, 0, 0, time.UTC), 2},
		"within, in summer time": {office, time.Date(2026, 7, 6, 5, 50, 0, 0, time.UTC), 2},
		"just before the end":    {office, time.Date(2026, 1, 5, 17, 59, 59, 0, berlin), 2},
		"at the end":             {office, time.Date(2026, 1, 5, 18, 0, 0, 0, berlin), 0},
		"on a Saturday":          {office, time.Date(2026, 1, 10, 12, 0, 0, 0, berlin), 0},
		"over midnight, before":  {night, time.Date(2026, 1, 10, 21, 0, 0, 0, berlin), 0},
		"over midnight, evening": {night, time.Date(2026, 1, 10, 23, 0, 0, 0, berlin), 5},
		"over midnight, morning": {night, time.Date(2026, 1, 10, 5, 0, 0, 0, berlin), 5},
		"over midnight, after":   {night, time.Date(2026, 1, 10, 7, 0, 0, 0, berlin), 0},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := newTrigger("worker", 1, Trigger{Type: "cron", Metadata: c.metadata}, nil)
			require.NoError(t, err)
			value, active, err := made.source.read(c.at)
			require.NoError(t, err)
			require.InDelta(t, c.want, value, 0)
			require.Equal(t, c.want > 0, active)
			require.InDelta(t, 1, made.spec.External.Target.AverageValue.AsApproximateFloat64(), 0)
		})
	}
	made, err := newTrigger("worker", 1, Trigger{Type: "cron", Metadata: office}, nil)
	require.NoError(t, err)
	require.Equal(t, "s1-cron-Europe-Berlin-457xx1-5-018xx1-5", made.name())
}

func TestMistakesOfTriggers(t *testing.T) {
	for name, c := range map[string]struct {
		trigger Trigger
		path    []any
		text    string
	}{
		"type":        {Trigger{Type: "kafka"}, []any{"type"}, "kafka"},
		"metric type": {Trigger{Type: "rabbitmq", MetricType: "Utilization", Metadata: map[string]string{"queueName": "jobs", "protocol": "http"}}, []any{"metricType"}, "AverageValue or Value"},
		"queue":       {Trigger{Type: "rabbitmq"}, []any{"metadata", "queueName"}, "name of a queue"},
		"regex":       {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs.*", "useRegex": "true"}}, []any{"metadata", "useRegex"}, "not modelled"},
		"protocol":    {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs"}}, []any{"metadata", "protocol"}, "http or amqp"},
		"number":      {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "mode": queueLength, "value": "two"}}, []any{"metadata", "value"}, `found "two"`},
		"no value":    {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "mode": queueLength}}, []any{"metadata", "value"}, "beside the mode"},
		"no mode":     {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "value": "2"}}, []any{"metadata", "mode"}, "beside the value"},
		"mode":        {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "value": "2", "mode": "Depth"}}, []any{"metadata", "mode"}, "QueueLength"},
		"amqp rate":   {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "amqp", "value": "2", "mode": messageRate}}, []any{"metadata", "mode"}, "protocol: http"},
		"both lengths": {Trigger{Type: "rabbitmq", Metadata: map[string]string{"queueName": "jobs", "protocol": "http", "value": "2", "mode": queueLength, "queueLength": "2"}},
			[]any{"metadata", "queueLength"}, "found both"},
		"cron start":    {Trigger{Type: "cron", Metadata: map[string]string{"start": "soon"}}, []any{"metadata", "start"}, "cron's form"},
		"cron the same": {Trigger{Type: "cron", Metadata: map[string]string{"start": "0 1 * * *", "end": "0 1 * * *"}}, []any{"metadata", "end"}, "another time"},
		"cron zone": {Trigger{Type: "cron", Metadata: map[string]string{"start": "0 1 * * *", "end": "0 2 * * *", "timezone": "Middle/Earth"}},
			[]any{"metadata", "timezone"}, "Middle/Earth"},
		"cron replicas": {Trigger{Type: "cron", Metadata: map[string]string{"start": "0 1 * * *", "end": "0 2 * * *", "timezone": "UTC", "desiredReplicas": "0"}},
			[]any{"metadata", "desiredReplicas"}, "above 0"},
		"cpu": {Trigger{Type: "cpu", MetricType: "Utilization", Metadata: map[string]string{"value": "half"}}, []any{"metadata", "value"}, "percentage"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newTrigger("worker", 0, c.trigger, nil)
			problem := (*SpecError)(nil)
			require.ErrorAs(t, err, &problem)
			require.Equal(t, c.path, problem.Path)
			require.Contains(t, problem.Text, c.text)
		})
	}
}
