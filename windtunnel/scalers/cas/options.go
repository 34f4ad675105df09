package cas

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Options are the flags of the original that matter here, with its names and defaults.
type Options struct {
	ScanInterval time.Duration

	Expanders                []string
	MaxNodesTotal            int
	MaxNodesPerScaleUp       int
	BalanceSimilarNodeGroups bool
	EnforceNodeGroupMinSize  bool
	ForceDaemonSets          bool
	NewPodScaleUpDelay       time.Duration
	MaxNodeProvisionTime     time.Duration
	MaxNodeStartupTime       time.Duration
	ExpendablePriorityCutoff int
	// CoresTotal and MemoryTotal (in GiB) bound the cluster.
	CoresTotal, MemoryTotal Range

	ScaleDownEnabled              bool
	ScaleDownUnreadyEnabled       bool
	ScaleDownDelayAfterAdd        time.Duration
	ScaleDownDelayAfterDelete     time.Duration
	ScaleDownDelayAfterFailure    time.Duration
	ScaleDownUnneededTime         time.Duration
	ScaleDownUnreadyTime          time.Duration
	ScaleDownUtilizationThreshold float64
	UnremovableNodeRecheckTimeout time.Duration
	NodeDeleteDelayAfterTaint     time.Duration
	MaxScaleDownParallelism       int
	MaxDrainParallelism           int
	MaxPodEvictionTime            time.Duration
	MaxGracefulTermination        time.Duration
	MaxBulkSoftTaintCount         int
	IgnoreDaemonSetsUtilization   bool
	IgnoreMirrorPodsUtilization   bool
	SkipNodesWithLocalStorage     bool
	SkipNodesWithSystemPods       bool
	SkipNodesWithCustomController bool
	MinReplicaCount               int
	BlockingSystemPodTimeout      time.Duration

	MaxTotalUnreadyPercentage float64
	OkTotalUnreadyCount       int
	InitialBackoff            time.Duration
	MaxBackoff                time.Duration
	BackoffResetTimeout       time.Duration
}

// Range is the value of --cores-total and --memory-total.
type Range struct{ Min, Max int64 }

// String is how the flag is written.
func (r *Range) String() string { return fmt.Sprintf("%d:%d", r.Min, r.Max) }

// Set reads <min>:<max>.
func (r *Range) Set(text string) error {
	low, high, found := strings.Cut(text, ":")
	minimum, err := strconv.ParseInt(low, 10, 64)
	maximum, err2 := strconv.ParseInt(high, 10, 64)
	if !found || err != nil || err2 != nil || minimum < 0 || maximum < minimum {
		return fmt.Errorf("expected <min>:<max> with 0 <= min <= max")
	}
	r.Min, r.Max = minimum, maximum
	return nil
}

type expanderNames []string

func (n *expanderNames) String() string { return strings.Join(*n, ",") }

func (n *expanderNames) Set(text string) error {
	list := strings.Split(text, ",")
	seen := map[string]bool{}
	for _, name := range list {
		if expanders[name] == nil {
			return fmt.Errorf("there is no expander %q here; there are least-nodes, least-waste, most-pods, priority and random", name)
		}
		if seen[name] {
			return fmt.Errorf("the expander %s is named twice", name)
		}
		seen[name] = true
	}
	*n = list
	return nil
}

// DefaultOptions are those of the original without any flags.
func DefaultOptions() Options {
	o, err := ParseFlags(nil)
	if err != nil {
		panic(err) // The defaults below are constants.
	}
	return o
}

// ParseFlags reads the flags of a Deployment's container. A flag that the original has and that changes nothing here must
// be left out by the caller; an unknown one is an error, as are wrong values; all of them are reported.
func ParseFlags(args []string) (Options, error) {
	var o Options
	set := o.flags()
	var problems []error
	for _, arg := range args {
		// One at a time, so that the first mistake does not hide the second.
		if err := set.Parse([]string{arg}); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", arg, err))
		} else if set.NArg() > 0 {
			problems = append(problems, fmt.Errorf("%s: expected --flag=value", arg))
		}
	}
	return o, errors.Join(problems...)
}

// Knows tells whether the package has a flag of this name, without dashes.
func Knows(name string) bool {
	var o Options
	return o.flags().Lookup(name) != nil
}

func (o *Options) flags() *flag.FlagSet {
	set := flag.NewFlagSet("cluster-autoscaler", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	duration := func(into *time.Duration, name string, value time.Duration) { set.DurationVar(into, name, value, "") }
	duration(&o.ScanInterval, "scan-interval", 10*time.Second)
	o.Expanders = []string{"least-waste"}
	set.Var((*expanderNames)(&o.Expanders), "expander", "")
	set.IntVar(&o.MaxNodesTotal, "max-nodes-total", 0, "")
	set.IntVar(&o.MaxNodesPerScaleUp, "max-nodes-per-scaleup", 1000, "")
	set.BoolVar(&o.BalanceSimilarNodeGroups, "balance-similar-node-groups", false, "")
	set.BoolVar(&o.EnforceNodeGroupMinSize, "enforce-node-group-min-size", false, "")
	set.BoolVar(&o.ForceDaemonSets, "force-ds", false, "")
	duration(&o.NewPodScaleUpDelay, "new-pod-scale-up-delay", 0)
	duration(&o.MaxNodeProvisionTime, "max-node-provision-time", 15*time.Minute)
	duration(&o.MaxNodeStartupTime, "max-node-startup-time", 15*time.Minute)
	set.IntVar(&o.ExpendablePriorityCutoff, "expendable-pods-priority-cutoff", -10, "")
	o.CoresTotal, o.MemoryTotal = Range{Max: 5000 * 64}, Range{Max: 5000 * 64 * 20}
	set.Var(&o.CoresTotal, "cores-total", "")
	set.Var(&o.MemoryTotal, "memory-total", "")
	set.BoolVar(&o.ScaleDownEnabled, "scale-down-enabled", true, "")
	set.BoolVar(&o.ScaleDownUnreadyEnabled, "scale-down-unready-enabled", true, "")
	duration(&o.ScaleDownDelayAfterAdd, "scale-down-delay-after-add", 10*time.Minute)
	duration(&o.ScaleDownDelayAfterDelete, "scale-down-delay-after-delete", 0)
	duration(&o.ScaleDownDelayAfterFailure, "scale-down-delay-after-failure", 3*time.Minute)
	duration(&o.ScaleDownUnneededTime, "scale-down-unneeded-time", 10*time.Minute)
	duration(&o.ScaleDownUnreadyTime, "scale-down-unready-time", 20*time.Minute)
	set.Float64Var(&o.ScaleDownUtilizationThreshold, "scale-down-utilization-threshold", 0.5, "")
	duration(&o.UnremovableNodeRecheckTimeout, "unremovable-node-recheck-timeout", 5*time.Minute)
	duration(&o.NodeDeleteDelayAfterTaint, "node-delete-delay-after-taint", 5*time.Second)
	set.IntVar(&o.MaxScaleDownParallelism, "max-scale-down-parallelism", 10, "")
	set.IntVar(&o.MaxDrainParallelism, "max-drain-parallelism", 1, "")
	duration(&o.MaxPodEvictionTime, "max-pod-eviction-time", 2*time.Minute)
	o.MaxGracefulTermination = 10 * time.Minute
	set.Func("max-graceful-termination-sec", "", func(text string) error {
		seconds, err := strconv.Atoi(text)
		o.MaxGracefulTermination = time.Duration(seconds) * time.Second
		return err
	})
	set.IntVar(&o.MaxBulkSoftTaintCount, "max-bulk-soft-taint-count", 10, "")
	set.BoolVar(&o.IgnoreDaemonSetsUtilization, "ignore-daemonsets-utilization", false, "")
	set.BoolVar(&o.IgnoreMirrorPodsUtilization, "ignore-mirror-pods-utilization", false, "")
	set.BoolVar(&o.SkipNodesWithLocalStorage, "skip-nodes-with-local-storage", true, "")
	set.BoolVar(&o.SkipNodesWithSystemPods, "skip-nodes-with-system-pods", true, "")
	set.BoolVar(&o.SkipNodesWithCustomController, "skip-nodes-with-custom-controller-pods", true, "")
	set.IntVar(&o.MinReplicaCount, "min-replica-count", 0, "")
	// The flag is misspelt in the original.
	duration(&o.BlockingSystemPodTimeout, "blocking-system-pod-distruption-timeout", time.Hour)
	set.Float64Var(&o.MaxTotalUnreadyPercentage, "max-total-unready-percentage", 45, "")
	set.IntVar(&o.OkTotalUnreadyCount, "ok-total-unready-count", 3, "")
	duration(&o.InitialBackoff, "initial-node-group-backoff-duration", 5*time.Minute)
	duration(&o.MaxBackoff, "max-node-group-backoff-duration", 30*time.Minute)
	duration(&o.BackoffResetTimeout, "node-group-backoff-reset-timeout", 3*time.Hour)
	return set
}
