package workload_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/workload"
)

func ready(n int) []*cluster.Pod {
	pods := make([]*cluster.Pod, n)
	for i := range pods {
		pods[i] = &cluster.Pod{Name: string(rune('a' + i)), Started: time.Unix(1, 0), Ready: true}
	}
	return pods
}

// erlangC is the probability that an arrival must wait, and the mean wait of all, in a queue with Poisson arrivals,
// exponential service and c servers.
func erlangC(rate, service float64, c int) (waits, mean float64) {
	load := rate * service
	term, sum := 1.0, 1.0
	for k := 1; k < c; k++ {
		term *= load / float64(k)
		sum += term
	}
	last := term * load / float64(c) * float64(c) / (float64(c) - load)
	waits = last / (sum + last)
	return waits, waits * service / (float64(c) - load)
}

func TestWaitingTimesFollowErlangC(t *testing.T) {
	const service = 0.1
	for name, c := range map[string]struct {
		pods, concurrency int
		balance           workload.Balance
		load              float64 // of each server
	}{
		"one server":                         {1, 1, workload.Random, 0.7},
		"one pod of eight":                   {1, 8, workload.Random, 0.85},
		"five pods behind a perfect balance": {5, 1, workload.LeastLoaded, 0.8},
	} {
		t.Run(name, func(t *testing.T) {
			servers := c.pods * c.concurrency
			rate := c.load * float64(servers) / service
			r := workload.NewRequests(workload.RequestModel{
				Load: workload.Steady(rate), Service: workload.Exponential(service), Concurrency: c.concurrency,
				Timeout: time.Hour, Balance: c.balance,
			}, rand.New(rand.NewPCG(1, 2)))
			pods := ready(c.pods)
			var inside float64
			const steps = 40_000
			for range steps {
				r.Advance(pods, time.Second)
				count, _ := r.Backlog()
				inside += float64(count)
			}
			_, want := erlangC(rate, service, servers)
			got := r.Waiting.Sum() / float64(r.Waiting.Count())
			require.InEpsilon(t, want, got, 0.03, "mean waiting time")
			// Little: what is inside on average is the rate of arrivals times the time that each stays.
			stay := r.Latency.Sum() / float64(r.Latency.Count())
			require.InEpsilon(t, rate*stay, inside/steps, 0.03, "Little's law")
			count, _ := r.Backlog()
			require.Equal(t, r.Arrived, r.Served+r.Failed+uint64(count))
		})
	}
}

func TestRequestsAreConservedWhateverHappens(t *testing.T) {
	r := workload.NewRequests(workload.RequestModel{
		Load: workload.Sine{Mean: 60, Amplitude: 50, Period: time.Minute}, Service: workload.NewLogNormal(0.2, 1), CPU: 0.8,
		Concurrency: 4, Timeout: 2 * time.Second, Retries: 2, Backoff: 500 * time.Millisecond,
	}, rand.New(rand.NewPCG(3, 4)))
	pods := ready(3)
	for i := range 3000 {
		switch {
		case i%50 == 20:
			r.Kill(pods[0])
		case i%100 == 60:
			pods[1].Ready = false
			pods[2].Ready = false
		case i%100 == 90:
			pods[1].Ready, pods[2].Ready = true, true
		}
		r.Advance(pods, time.Second)
		count, oldest := r.Backlog()
		require.Equal(t, r.Arrived, r.Served+r.Failed+uint64(count))
		require.GreaterOrEqual(t, oldest, 0.0)
	}
	require.Positive(t, r.Disrupted)
	require.Positive(t, r.TimedOut)
	require.Positive(t, r.Retried)
	require.Positive(t, r.Failed)
}

func TestNoPodsMeansFailureAndNotSilence(t *testing.T) {
	r := workload.NewRequests(workload.RequestModel{
		Load: workload.Steady(10), Service: workload.Constant(0.1), Concurrency: 1, Timeout: time.Second,
	}, rand.New(rand.NewPCG(1, 1)))
	for range 100 {
		r.Advance(nil, time.Second)
	}
	require.Positive(t, r.Arrived)
	require.Equal(t, r.Arrived, r.Failed)
}

func TestCPULimitSlowsDown(t *testing.T) {
	run := func(limit float64) (latency, used float64) {
		pods := ready(1)
		pods[0].Containers = []cluster.Container{{Name: "app", CPULimit: limit}}
		r := workload.NewRequests(workload.RequestModel{
			Load: workload.Steady(8), Service: workload.Constant(0.2), CPU: 1, Concurrency: 8, Timeout: time.Minute,
		}, rand.New(rand.NewPCG(1, 1)))
		for range 2000 {
			r.Advance(pods, time.Second)
		}
		cpu, _ := r.Usage(pods[0])
		return r.Latency.Sum() / float64(r.Latency.Count()), cpu / 2000
	}
	free, used := run(0)
	require.InDelta(t, 0.2, free, 0.01)
	require.InEpsilon(t, 8*0.2, used, 0.05)
	throttled, _ := run(2)
	require.Greater(t, throttled, 1.2*free)
}

func TestHistogramQuantiles(t *testing.T) {
	h := workload.NewHistogram()
	r := rand.New(rand.NewPCG(5, 6))
	for range 200_000 {
		h.Add(r.ExpFloat64())
	}
	for _, q := range []float64{0.1, 0.5, 0.95, 0.99} {
		require.InEpsilon(t, -math.Log(1-q), h.Quantile(q), 0.02)
	}
	require.LessOrEqual(t, h.Quantile(1), h.Max())
	h.Reset()
	require.Zero(t, h.Count())
}

func BenchmarkRequest(b *testing.B) {
	r := workload.NewRequests(workload.RequestModel{
		Load: workload.Steady(1000), Service: workload.NewLogNormal(0.04, 0.12), CPU: 0.3, Concurrency: 32, Timeout: time.Second,
	}, rand.New(rand.NewPCG(1, 1)))
	pods := ready(5)
	for b.Loop() {
		r.Advance(pods, time.Second)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(r.Arrived), "ns/request")
}

// TestTheSameSeedBringsTheSameLoad: what arrives, and when, does not depend on what the pods do with it.
func TestTheSameSeedBringsTheSameLoad(t *testing.T) {
	model := workload.RequestModel{
		Load: workload.Steady(50), Service: workload.Exponential(0.2), Concurrency: 4, Timeout: time.Second, Retries: 2, Backoff: 100 * time.Millisecond,
	}
	few, many := workload.NewRequests(model, rand.New(rand.NewPCG(1, 2))), workload.NewRequests(model, rand.New(rand.NewPCG(1, 2)))
	one, five := ready(1), ready(5)
	for range 500 {
		few.Advance(one, time.Second)
		many.Advance(five, time.Second)
		require.Equal(t, many.Arrived, few.Arrived)
	}
	require.Greater(t, few.TimedOut, many.TimedOut)
}
