package workload_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/workload"
)

func jobs(seed uint64) *workload.Jobs {
	return workload.NewJobs(workload.JobModel{
		Load: workload.Steady(0.05), SegmentsLow: 2, SegmentsHigh: 20, Window: 4,
		Prepare: workload.Exponential(3), Segment: workload.Exponential(5), Assemble: workload.Exponential(1),
		CPU: 1, Workers: 1, Prefetch: 1,
	}, rand.New(rand.NewPCG(seed, 1)))
}

func TestJobsAreConservedAndRedelivered(t *testing.T) {
	j := jobs(1)
	pods := ready(4)
	for i := range 20_000 {
		if i%97 == 0 {
			j.Kill(pods[i%4])
		}
		j.Advance(pods, time.Second)
		count, _ := j.Backlog()
		require.Equal(t, j.Arrived, j.Served+uint64(count))
	}
	require.Greater(t, j.Served, uint64(800))
	require.Positive(t, j.Redelivered)
	count, _ := j.Backlog()
	require.Less(t, count, 30, "killed workers do not lose work")
}

func TestStoppingWorkerFinishesWhatItHasBegun(t *testing.T) {
	j := jobs(2)
	pods := ready(1)
	for range 100 {
		j.Advance(pods, time.Second)
	}
	_, inHand := j.Messages()
	require.Equal(t, 2, inHand, "one in work, one prefetched")
	pods[0].Stopping = true
	j.Advance(pods, time.Millisecond)
	_, inHand = j.Messages()
	require.Equal(t, 1, inHand, "what was prefetched went back")
	for range 200 {
		j.Advance(pods, time.Second)
	}
	require.True(t, j.Idle(pods[0]))
	ready, inHand := j.Messages()
	require.Zero(t, inHand)
	require.Positive(t, ready)
}

func TestWindowBoundsTheQueueOfOneJob(t *testing.T) {
	j := workload.NewJobs(workload.JobModel{
		Load: workload.Batch{Count: 1, At: 0, Spread: time.Second}, SegmentsLow: 100, SegmentsHigh: 100, Window: 16,
		Prepare: workload.Constant(0), Segment: workload.Constant(1), Assemble: workload.Constant(0), CPU: 1, Workers: 1,
	}, rand.New(rand.NewPCG(9, 9)))
	for range 20 {
		j.Advance(nil, time.Second)
	}
	queued, _ := j.Messages()
	require.Equal(t, 16*int(j.Arrived), queued)
}
