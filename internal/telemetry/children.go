package telemetry

import (
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// Children tells what the programs that this process runs cost: the collector of process_… knows of the process alone, and what a
// task computes is mostly in ffmpeg and in the recogniser. It reads /proc; where there is none it tells nothing.
type Children struct {
	cpu, memory *prometheus.Desc

	mu sync.Mutex
	// most is the highest CPU time that was told. A program that ends while it is looked for is neither among those that run nor among
	// those that have ended, and a counter that falls looks like a process that was started anew.
	most float64
}

// NewChildren is the collector of a process that runs others.
func NewChildren() *Children {
	return &Children{
		cpu: prometheus.NewDesc("captions_children_cpu_seconds_total",
			"CPU time of the programs that the process runs or has run, such as ffmpeg and the recogniser.", nil, nil),
		memory: prometheus.NewDesc("captions_children_resident_memory_bytes",
			"Memory of the programs that the process runs now.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Children) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.cpu
	descs <- c.memory
}

// ticks is how many of the kernel's units of CPU time are a second: USER_HZ, which is 100 on every architecture that Go runs on.
const ticks = 100

// Collect implements prometheus.Collector.
func (c *Children) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid := os.Getpid()
	self, err := procfs.NewProc(pid)
	if err != nil {
		return
	}
	ended, err := self.Stat()
	if err != nil {
		return
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return
	}
	cpu, memory := float64(ended.CUTime+ended.CSTime)/ticks, 0
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || stat.PPID != pid {
			continue // It has ended meanwhile, or is somebody else's.
		}
		cpu += stat.CPUTime()
		memory += stat.ResidentMemory()
	}
	c.most = max(c.most, cpu)
	metrics <- prometheus.MustNewConstMetric(c.cpu, prometheus.CounterValue, c.most)
	metrics <- prometheus.MustNewConstMetric(c.memory, prometheus.GaugeValue, float64(memory))
}
