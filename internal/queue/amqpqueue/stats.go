package amqpqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// QueueStats counts the tasks. Ready and Dead are as of now; a task that somebody looks at as a dead letter is not counted
// meanwhile. Taken comes from the management API, which is some seconds behind, and is [caption.Unknown] without one. RabbitMQ
// does not tell the age of a task, so that OldestAge is [caption.Unknown].
func (q *Queue) QueueStats(ctx context.Context) (caption.QueueStats, error) {
	s, err := q.stats(ctx)
	if err != nil {
		return caption.QueueStats{}, unavailable("count tasks", err)
	}
	return s, nil
}

func (q *Queue) stats(ctx context.Context) (caption.QueueStats, error) {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	s := caption.QueueStats{Taken: caption.Unknown, OldestAge: caption.Unknown}
	conn, err := q.publishing.connection(ctx)
	if err != nil {
		return s, err
	}
	counts, err := within(ctx, func() (map[string]int, error) { return q.count(conn) }, nil)
	if err != nil {
		return s, err
	}
	s.Dead = counts[q.at.dead()]
	delete(counts, q.at.dead())
	for _, n := range counts {
		s.Ready += n
	}
	if q.at.management != nil {
		if s.Taken, err = q.taken(ctx); err != nil {
			return s, fmt.Errorf("ask the management API: %w", err)
		}
	}
	return s, nil
}

// count returns how many messages are ready in each queue.
func (q *Queue) count(conn *amqp.Connection) (map[string]int, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	defer func() { _ = ch.Close() }() // It has served its purpose.
	counts := map[string]int{}
	for _, queue := range q.queues() {
		declared, err := ch.QueueDeclarePassive(queue.name, true, false, false, false, nil)
		if err != nil {
			if e := asAMQP(err); e != nil && e.Code == amqp.NotFound {
				q.publishing.renew()
			}
			return nil, err
		}
		counts[queue.name] = declared.Messages
	}
	return counts, nil
}

// taken asks the management API how many tasks are delivered and not settled. It waits for the figure in the first seconds
// of a queue, when the API knows the queue already and the figure not yet.
func (q *Queue) taken(ctx context.Context) (int, error) {
	for {
		n, err := q.askTaken(ctx)
		if err != nil {
			return 0, err
		}
		if n != nil {
			return *n, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("it does not know the queue's figures yet: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (q *Queue) askTaken(ctx context.Context) (*int, error) {
	at := q.at.management.JoinPath("api", "queues", url.PathEscape(q.at.vhost), q.at.jobs())
	user := at.User
	at.User = nil // It would be told by errors.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	password, _ := user.Password()
	req.SetBasicAuth(user.Username(), password)
	// Asked so seldom that no connection is kept.
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // It was read.
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", res.Status)
	}
	var answer struct {
		Unacknowledged *int `json:"messages_unacknowledged"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer.Unacknowledged, nil
}
