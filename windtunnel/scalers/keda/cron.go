package keda

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is a cron trigger: within its hours it asks for replicas.
type schedule struct {
	name       string
	location   *time.Location
	start, end cron.Schedule
	replicas   float64
}

func newCron(metadata map[string]string) (*schedule, error) {
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s := &schedule{}
	for _, field := range []struct {
		name string
		into *cron.Schedule
	}{{"start", &s.start}, {"end", &s.end}} {
		var err error
		if *field.into, err = parser.Parse(metadata[field.name]); err != nil {
			return nil, &SpecError{[]any{"metadata", field.name}, fmt.Sprintf("expected a time in cron's form: %v", err)}
		}
	}
	if metadata["start"] == metadata["end"] {
		return nil, &SpecError{[]any{"metadata", "end"}, "expected another time than start"}
	}
	zone := metadata["timezone"]
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" {
		return nil, &SpecError{[]any{"metadata", "timezone"}, fmt.Sprintf("expected a time zone such as Europe/Berlin, found %q", zone)}
	}
	replicas, err := strconv.ParseInt(metadata["desiredReplicas"], 10, 64)
	if err != nil || replicas == 0 {
		return nil, &SpecError{[]any{"metadata", "desiredReplicas"}, fmt.Sprintf("expected a whole number above 0, found %q", metadata["desiredReplicas"])}
	}
	s.location, s.replicas = location, float64(replicas)
	short := strings.NewReplacer(" ", "", "*", "x", "/", "Sl", "?", "Qm", ",", "Cm")
	s.name = fmt.Sprintf("cron-%s-%s-%s", zone, short.Replace(metadata["start"]), short.Replace(metadata["end"]))
	return s, nil
}

func (s *schedule) metric() (string, float64) { return s.name, 1 }

// read: the hours are on when they end before they begin again.
func (s *schedule) read(now time.Time) (float64, bool, error) {
	now = now.In(s.location)
	if s.start.Next(now).Before(s.end.Next(now)) {
		return 0, false, nil
	}
	return s.replicas, true, nil
}
