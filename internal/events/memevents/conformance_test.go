package memevents_test

import (
	"testing"

	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/events/eventstest"
	"k8s-scalers/internal/events/memevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var features = eventstest.Features{VirtualTime: true}

func TestEvents(t *testing.T) {
	eventstest.RunEvents(t, features, func(*testing.T) caption.Events { return memevents.NewEvents() })
}

func TestTickets(t *testing.T) {
	eventstest.RunTickets(t, features, func(*testing.T) caption.Tickets { return memevents.NewTickets(nil) })
}

func TestLimiter(t *testing.T) {
	eventstest.RunLimiter(t, features, func(*testing.T) caption.Limiter { return memevents.NewLimiter(nil) })
}
