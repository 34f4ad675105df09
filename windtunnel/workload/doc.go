// Package workload models what the pods of a cluster do for their users: requests that want an answer now, and jobs that
// wait in a queue. It knows the pods that the kubelet stand-in shows it, and neither scalers nor the API.
//
// # Arrivals
//
// Requests arrive as a Poisson process whose rate follows the load: gaps are exponential with the rate of the current step.
// Within a step of a second the rate is constant. What arrives, and how much work it is, depends on the seed alone and not on what
// the pods do, so that policies can be compared under the very same load.
//
// # Requests
//
// Each pod is a queue with as many servers as it handles requests at once, first come first served. That queue is not
// simulated event by event. A pod keeps the times at which its servers become free; a request that arrives at time a
// starts at max(a, the earliest of them), which then moves to the end of its service (the recursion of Kiefer and Wolfowitz,
// "On the theory of queues with many servers", 1955). The waiting time is exact, there is no heap of events and no
// goroutine, and a request costs well under a microsecond, so tens of millions of them a day are affordable. Tests hold it to
// the formula of Erlang (C) and to Little's law.
//
// A request whose client has given up before its service starts is never served; one whose client gives up during service is
// dropped at that moment. What a pod has in hand when it is killed is lost, and tried again where its client has retries left.
//
// # CPU
//
// A request needs CPU time spread evenly over its service. Where the servers that are busy when it starts would together use more
// than the CPU limit, its CPU part takes longer in proportion, as the quota of the kernel's CFS bandwidth control makes it
// (Documentation/scheduler/sched-bwc.rst). The factor is fixed at the start of the request.
//
// # Jobs
//
// A job is a chain of tasks on one queue: one to prepare, several segments of which a window is on the queue at a time, one to
// assemble. A worker takes tasks first in, first out, as many at once as it has slots, and holds some more that it has
// prefetched; those and the ones in work are unacknowledged. A worker that is told to stop gives back what it has not begun
// and finishes the rest; a killed worker's tasks go back to the front of the queue.
package workload
