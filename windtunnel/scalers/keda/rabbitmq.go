package keda

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Broker is where triggers read queues.
type Broker interface {
	// Queue reads a queue over AMQP or over the HTTP interface, whose figures are older. An error means that it could not be
	// read, which is not the same as an empty queue.
	Queue(name string, protocol Protocol) (Queue, error)
}

// Protocol is how a queue is read.
type Protocol string

// Protocols. AMQP tells the ready messages and nothing else.
const (
	AMQP Protocol = "amqp"
	HTTP Protocol = "http"
)

// Queue is what a broker tells of one; rates are per second.
type Queue struct {
	Ready, Unacknowledged    int
	PublishRate, DeliverRate float64
}

// Modes of a RabbitMQ trigger.
const (
	queueLength     = "QueueLength"
	messageRate     = "MessageRate"
	deliverGetRate  = "DeliverGetRate"
	publishedToRead = "PublishedToDeliveredRatio"
	consumptionTime = "ExpectedQueueConsumptionTime"

	defaultQueueLength = 20
)

// rabbitMQ is a trigger on a queue.
type rabbitMQ struct {
	broker            Broker
	queue             string
	protocol          Protocol
	mode              string
	value, activation float64
	readyOnly         bool
}

func newRabbitMQ(metadata map[string]string, broker Broker) (*rabbitMQ, error) {
	r := &rabbitMQ{broker: broker, queue: metadata["queueName"], mode: metadata["mode"]}
	if r.queue == "" {
		return nil, &SpecError{[]any{"metadata", "queueName"}, "expected the name of a queue"}
	}
	if metadata["useRegex"] == "true" {
		return nil, &SpecError{[]any{"metadata", "useRegex"}, "queues by regular expression are not modelled"}
	}
	var err error
	if r.protocol, err = protocolOf(metadata); err != nil {
		return nil, err
	}
	if r.activation, err = number(metadata, "activationValue"); err != nil {
		return nil, err
	}
	if r.value, err = number(metadata, "value"); err != nil {
		return nil, err
	}
	deprecated, err := number(metadata, "queueLength")
	if err != nil {
		return nil, err
	}
	if err := r.choose(deprecated); err != nil {
		return nil, err
	}
	if text := metadata["excludeUnacknowledged"]; text != "" {
		if r.readyOnly, err = strconv.ParseBool(text); err != nil {
			return nil, &SpecError{[]any{"metadata", "excludeUnacknowledged"}, fmt.Sprintf("expected true or false, found %q", text)}
		}
	}
	if r.protocol == AMQP {
		if r.readyOnly {
			return nil, &SpecError{[]any{"metadata", "excludeUnacknowledged"}, "expected protocol: http; AMQP counts ready messages only, anyway"}
		}
		if r.mode != queueLength {
			return nil, &SpecError{[]any{"metadata", "mode"}, "expected protocol: http for the mode " + r.mode}
		}
		r.readyOnly = true
	}
	return r, nil
}

// choose sets mode and value; 20 messages a replica where nothing is said.
func (r *rabbitMQ) choose(deprecated float64) error {
	if r.mode == "Unknown" {
		r.mode = ""
	}
	switch {
	case deprecated != 0 && (r.mode != "" || r.value != 0):
		return &SpecError{[]any{"metadata", "queueLength"}, "expected mode and value in its place, found both"}
	case deprecated != 0:
		r.mode, r.value = queueLength, deprecated
	case r.mode == "" && r.value == 0:
		r.mode, r.value = queueLength, defaultQueueLength
	case r.mode == "":
		return &SpecError{[]any{"metadata", "mode"}, "expected a mode beside the value"}
	case r.value == 0:
		return &SpecError{[]any{"metadata", "value"}, "expected a value beside the mode"}
	}
	modes := []string{queueLength, messageRate, deliverGetRate, publishedToRead, consumptionTime}
	if !slices.Contains(modes, r.mode) {
		return &SpecError{[]any{"metadata", "mode"}, fmt.Sprintf("expected one of %s, found %q", strings.Join(modes, ", "), r.mode)}
	}
	return nil
}

// protocolOf is what stands there, or follows from the address.
func protocolOf(metadata map[string]string) (Protocol, error) {
	switch text := metadata["protocol"]; text {
	case "http":
		return HTTP, nil
	case "amqp":
		return AMQP, nil
	case "", "auto":
		if host, err := url.Parse(metadata["host"]); err == nil {
			switch host.Scheme {
			case "http", "https":
				return HTTP, nil
			case "amqp", "amqps":
				return AMQP, nil
			}
		}
		return "", &SpecError{[]any{"metadata", "protocol"}, "expected http or amqp; the address, which would tell, is not in the manifests"}
	default:
		return "", &SpecError{[]any{"metadata", "protocol"}, fmt.Sprintf("expected http or amqp, found %q", text)}
	}
}

func (r *rabbitMQ) metric() (string, float64) {
	return "rabbitmq-" + url.QueryEscape(r.queue), r.value
}

func (r *rabbitMQ) read(time.Time) (float64, bool, error) {
	q, err := r.broker.Queue(r.queue, r.protocol)
	if err != nil {
		return 0, false, fmt.Errorf("read the queue %s: %w", r.queue, err)
	}
	messages := float64(q.Ready)
	if !r.readyOnly {
		messages += float64(q.Unacknowledged)
	}
	value, active := r.judge(messages, q.PublishRate, q.DeliverRate)
	return value, active, nil
}

// judge is the value of the mode. Where nothing is delivered, two of the modes have no value of their own; they take that of the
// activation and are active nevertheless.
func (r *rabbitMQ) judge(messages, published, delivered float64) (value float64, active bool) {
	switch r.mode {
	case messageRate:
		return published, published > r.activation || messages > r.activation
	case deliverGetRate:
		return delivered, delivered > r.activation
	case publishedToRead:
		switch {
		case published <= 0:
		case delivered == 0:
			return r.activation, true
		default:
			value = published / delivered
		}
		return value, value > r.activation
	case consumptionTime:
		switch {
		case messages == 0:
		case delivered == 0:
			return r.activation, true
		default:
			value = (published-delivered)/delivered + messages/delivered
		}
		return value, value > r.activation
	default:
		return messages, messages > r.activation
	}
}
