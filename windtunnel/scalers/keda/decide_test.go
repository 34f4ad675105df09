package keda

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func n(v int32) *int32 { return new(v) }

// TestDecisions holds the steps that KEDA takes itself to its rules, one a row.
func TestDecisions(t *testing.T) {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	fallback := func(replicas int32) *Fallback { return &Fallback{FailureThreshold: 3, Replicas: replicas} }
	for name, c := range map[string]struct {
		spec  Spec
		state state
		want  verdict // without the reason
	}{
		"an active trigger wakes one replica":             {Spec{}, state{active: true}, verdict{scale: true, to: 1, seen: true}},
		"an active trigger wakes minReplicaCount":         {Spec{MinReplicaCount: n(3)}, state{active: true}, verdict{scale: true, to: 3, seen: true}},
		"idle replicas become minReplicaCount":            {Spec{IdleReplicaCount: n(1), MinReplicaCount: n(4)}, state{active: true, current: 1}, verdict{scale: true, to: 4, seen: true}},
		"idle count, enough replicas: the HPA's":          {Spec{IdleReplicaCount: n(1), MinReplicaCount: n(4)}, state{active: true, current: 4}, verdict{seen: true}},
		"fewer than minReplicaCount without an idle one":  {Spec{MinReplicaCount: n(4)}, state{active: true, current: 2}, verdict{seen: true}},
		"active with replicas: the HPA's":                 {Spec{}, state{active: true, current: 5}, verdict{seen: true}},
		"active, another trigger fails":                   {Spec{}, state{active: true, failing: true, current: 5}, verdict{}},
		"active, another trigger fails, no replicas":      {Spec{}, state{active: true, failing: true}, verdict{scale: true, to: 1, seen: true}},
		"inactive within the cooldown":                    {Spec{}, state{current: 2, lastActive: ago(299 * time.Second)}, verdict{}},
		"inactive for exactly the cooldown":               {Spec{}, state{current: 2, lastActive: ago(300 * time.Second)}, verdict{}},
		"inactive for longer than the cooldown":           {Spec{}, state{current: 2, lastActive: ago(301 * time.Second)}, verdict{scale: true}},
		"a cooldown of its own":                           {Spec{CooldownPeriod: n(60)}, state{current: 2, lastActive: ago(61 * time.Second)}, verdict{scale: true}},
		"a cooldown of none":                              {Spec{CooldownPeriod: n(0)}, state{current: 2, lastActive: ago(time.Millisecond)}, verdict{scale: true}},
		"never active: no cooldown at first":              {Spec{}, state{current: 1, created: ago(time.Millisecond)}, verdict{scale: true}},
		"never active: within the initial cooldown":       {Spec{InitialCooldownPeriod: n(600)}, state{current: 1, created: ago(600 * time.Second)}, verdict{}},
		"never active: after the initial cooldown":        {Spec{InitialCooldownPeriod: n(600)}, state{current: 1, created: ago(601 * time.Second)}, verdict{scale: true}},
		"inactive, to the idle count":                     {Spec{IdleReplicaCount: n(1), MinReplicaCount: n(4)}, state{current: 6, lastActive: ago(time.Hour)}, verdict{scale: true, to: 1}},
		"inactive at the idle count":                      {Spec{IdleReplicaCount: n(1), MinReplicaCount: n(4)}, state{current: 1, lastActive: ago(time.Hour)}, verdict{}},
		"inactive, to an idle count of none":              {Spec{IdleReplicaCount: n(0), MinReplicaCount: n(4)}, state{current: 4, lastActive: ago(time.Hour)}, verdict{scale: true}},
		"inactive, minReplicaCount above none: the HPA's": {Spec{MinReplicaCount: n(2)}, state{current: 5, lastActive: ago(time.Hour)}, verdict{}},
		"inactive, below minReplicaCount":                 {Spec{MinReplicaCount: n(2)}, state{current: 1, lastActive: ago(time.Hour)}, verdict{scale: true, to: 2}},
		"inactive and at none":                            {Spec{}, state{lastActive: ago(time.Hour)}, verdict{}},
		"a failure without a fallback keeps the replicas": {Spec{}, state{failing: true, current: 2, lastActive: ago(time.Hour)}, verdict{}},
		"a failure with a fallback keeps the replicas":    {Spec{Fallback: fallback(2)}, state{failing: true, current: 2, lastActive: ago(time.Hour)}, verdict{}},
		"a failure with a fallback to none falls to none": {Spec{Fallback: fallback(0)}, state{failing: true, current: 2, lastActive: ago(time.Hour)}, verdict{scale: true}},
		"a failure, a fallback to none, the cooldown":     {Spec{Fallback: fallback(0)}, state{failing: true, current: 2, lastActive: ago(time.Minute)}, verdict{}},
		"a failure with a fallback, below the minimum":    {Spec{MinReplicaCount: n(3), Fallback: fallback(3)}, state{failing: true, current: 1}, verdict{}},
		"a failure wakes nobody":                          {Spec{Fallback: fallback(2)}, state{failing: true}, verdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			c.state.now = now
			got := decide(&c.spec, c.state)
			require.Equal(t, got.scale, got.reason != "", "a step has a reason")
			got.reason = ""
			require.Equal(t, c.want, got)
		})
	}
}

func TestFallbackMetric(t *testing.T) {
	for name, c := range map[string]struct {
		behavior string
		current  int32
		want     float64
	}{
		"nothing said":            {"", 9, 10},
		Static:                    {Static, 9, 10},
		CurrentReplicas:           {CurrentReplicas, 9, 22.5},
		"none at present":         {CurrentReplicas, 0, 0},
		CurrentReplicasIfHigher:   {CurrentReplicasIfHigher, 9, 22.5},
		"at present, not higher":  {CurrentReplicasIfHigher, 3, 10},
		CurrentReplicasIfLower:    {CurrentReplicasIfLower, 3, 7.5},
		"at present, not lower":   {CurrentReplicasIfLower, 9, 10},
		"the same in both orders": {CurrentReplicasIfLower, 4, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Fallback{Replicas: 4, Behavior: c.behavior}
			made, err := newTrigger("worker", 0, Trigger{Type: "rabbitmq", Metadata: map[string]string{
				"queueName": "jobs", "protocol": "http", "mode": queueLength, "value": "2.5",
			}}, nil)
			require.NoError(t, err)
			target := made.spec.External.Target
			got, err := fallbackMetric(f, target, c.current, 0)
			require.NoError(t, err)
			require.InDelta(t, c.want, got, 0)

			// The controller multiplies a target of the type Value by the ready replicas.
			target.Type, target.Value = "Value", target.AverageValue
			got, err = fallbackMetric(f, target, c.current, 2)
			require.NoError(t, err)
			require.InDelta(t, c.want/2, got, 0.001)
			_, err = fallbackMetric(f, target, c.current, 0)
			require.ErrorContains(t, err, "without ready replicas")
		})
	}
}
