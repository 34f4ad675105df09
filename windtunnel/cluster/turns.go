package cluster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// moment is how much virtual time a turn takes. A second has room for all turns that could ever be taken in it.
const moment = time.Nanosecond

// turns lets goroutines that want to act at the same moment do so one after the other, in an order in which the Go scheduler has no
// say. Who takes a turn waits until virtual time has moved on, which it does only when every goroutine of the bubble waits: until
// everything that was written has come to everybody, the caches of informers included, and until everybody else who wants to act has asked
// for a turn, too. Then one of them goes on, and the others wait for the next moment.
type turns struct {
	mu      sync.Mutex
	waiting []turn
	armed   bool
}

// turn is a place in the queue.
type turn struct {
	since time.Time
	who   string
	mine  chan struct{}
}

// take returns when it is the caller's turn. Who came first is first; of those who came at the same moment it is the first by name.
// Those of the same name must want to do the same.
func (t *turns) take(who string) {
	mine := make(chan struct{})
	t.mu.Lock()
	t.waiting = append(t.waiting, turn{time.Now(), who, mine})
	if !t.armed {
		t.armed = true
		time.AfterFunc(moment, t.give)
	}
	t.mu.Unlock()
	<-mine
}

// give lets one go on.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := 0
	for i := range t.waiting {
		if t.waiting[i].before(t.waiting[next]) {
			next = i
		}
	}
	close(t.waiting[next].mine)
	t.waiting = slices.Delete(t.waiting, next, next+1)
	if t.armed = len(t.waiting) > 0; t.armed {
		time.AfterFunc(moment, t.give)
	}
}

func (t turn) before(other turn) bool {
	return cmp.Or(t.since.Compare(other.since), cmp.Compare(t.who, other.who)) < 0
}

// Turn returns when it is the turn of whoever wants to write an object. It is for those who write from several goroutines at once.
func (a *API) Turn(resource schema.GroupResource, object Object) {
	a.turns.take(turnOf(resource, object.GetNamespace(), object.GetGenerateName()+object.GetName()))
}

// InTurn is the context in which a controller with one worker runs: each time that the worker begins to look at an object, it waits for its
// turn. It is there because a worker asks its context for a logger before it does anything else, while the handlers of events, which
// only put objects into the worker's queue, have no context. So a worker never looks at caches that are just being filled.
func (c *Cluster) InTurn(ctx context.Context, controller string) context.Context {
	return &inTurn{Context: ctx, turns: &c.turns, who: controller}
}

type inTurn struct {
	context.Context
	turns *turns
	who   string

	mu sync.Mutex
	// last is when it was the controller's turn. Within that moment it may go on: nobody else does.
	last time.Time
}

// Value implements context.Context.
func (c *inTurn) Value(key any) any {
	c.mu.Lock()
	mine := c.last.Equal(time.Now())
	c.mu.Unlock()
	if !mine {
		c.turns.take(c.who)
		c.mu.Lock()
		c.last = time.Now()
		c.mu.Unlock()
	}
	return c.Context.Value(key)
}
