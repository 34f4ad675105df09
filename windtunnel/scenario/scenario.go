package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Scenario is a run.
type Scenario struct {
	// Name is for reports; without one it is the name of the file. Title is one line for people.
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
	// Duration is how long the run is in virtual time, Every the step of the series in the report.
	Duration time.Duration `yaml:"duration"`
	Every    time.Duration `yaml:"every"`
	Seed     uint64        `yaml:"seed"`
	// Manifests are Kustomize folders, folders of YAML and files, relative to the scenario.
	Manifests []string   `yaml:"manifests"`
	Workloads []Workload `yaml:"workloads"`
	SLOs      []SLO      `yaml:"slos"`
	Pods      Pods       `yaml:"pods"`
	Metrics   Metrics    `yaml:"metrics"`
	Cluster   Cluster    `yaml:"cluster"`
	VPA       VPA        `yaml:"vpa"`

	// File is where it was read from.
	File string `yaml:"-"`
	// lines of its fields.
	lines map[string]int
}

// Position is where a field stands, such as workloads[1].deployment, in the form file:line.
func (s *Scenario) Position(field string) string {
	return fmt.Sprintf("%s:%d", s.File, lineIn(s.lines, field))
}

// Workload is what the pods of a Deployment do: requests or jobs. A Deployment without one only costs its requests.
type Workload struct {
	// Deployment is namespace/name.
	Deployment string    `yaml:"deployment"`
	Requests   *Requests `yaml:"requests"`
	Jobs       *Jobs     `yaml:"jobs"`
	// Memory of a pod without work, CPU of a pod without work.
	Memory  Bytes `yaml:"memory"`
	IdleCPU Cores `yaml:"idleCPU"`
	// Start overrides pods.start for this Deployment.
	Start *Distribution `yaml:"start"`
}

// Requests want an answer now.
type Requests struct {
	Load    Load         `yaml:"load"`
	Service Distribution `yaml:"service"`
	// CPU is what one request in service uses; a request that only waits for others uses little of a core.
	CPU Cores `yaml:"cpu"`
	// Memory is what one request takes while it is in the pod.
	Memory      Bytes         `yaml:"memory"`
	Concurrency int           `yaml:"concurrency"`
	Timeout     time.Duration `yaml:"timeout"`
	Retries     int           `yaml:"retries"`
	Backoff     time.Duration `yaml:"backoff"`
	Balance     string        `yaml:"balance"`
}

// Jobs wait in a queue.
type Jobs struct {
	Load Load `yaml:"load"`
	// Queue is its name, as triggers of KEDA use it.
	Queue string `yaml:"queue"`
	// Segments is how many tasks a job is cut into: at least Low, at most High, evenly.
	Segments Range `yaml:"segments"`
	// Window is how many segments of one job are on the queue at a time.
	Window   int          `yaml:"window"`
	Prepare  Distribution `yaml:"prepare"`
	Segment  Distribution `yaml:"segment"`
	Assemble Distribution `yaml:"assemble"`
	// CPU and Memory are what one task uses.
	CPU    Cores `yaml:"cpu"`
	Memory Bytes `yaml:"memory"`
	// Workers is how many tasks a pod works on at once, Prefetch how many more it holds.
	Workers  int `yaml:"workers"`
	Prefetch int `yaml:"prefetch"`
}

// Range of whole numbers; a single number is both ends.
type Range struct {
	Low  int `yaml:"low"`
	High int `yaml:"high"`
}

func (r *Range) read(d *decoder, node *yaml.Node, field string) {
	if node.Kind == yaml.ScalarNode {
		d.scalar(node, reflect.ValueOf(&r.Low).Elem(), field)
		r.High = r.Low
	} else {
		d.mapping(node, reflect.ValueOf(r).Elem(), field)
	}
	if r.Low < 1 || r.High < r.Low {
		d.say(node.Line, field, "expected a whole number of at least 1, or {low, high}")
	}
}

// SLO is a promise to users. It has one of LatencyBelow and AgeBelow, or neither: then it is about success.
type SLO struct {
	Name string `yaml:"name"`
	// Workload is the namespace/name of its Deployment.
	Workload     string        `yaml:"workload"`
	LatencyBelow time.Duration `yaml:"latencyBelow"`
	AgeBelow     time.Duration `yaml:"ageBelow"`
	// Goal is the fraction that is promised: 0.99.
	Goal float64 `yaml:"goal"`
}

// Pods is how long the life of a pod takes.
type Pods struct {
	// ImagePull is for an image that a node does not have yet, Start from the start of the container until it answers probes.
	ImagePull Distribution `yaml:"imagePull"`
	Start     Distribution `yaml:"start"`
}

// Metrics is the pipeline between pods and scalers.
type Metrics struct {
	Interval time.Duration `yaml:"interval"`
	Delay    time.Duration `yaml:"delay"`
	Gaps     []Gap         `yaml:"gaps"`
	Provide  []Metric      `yaml:"provide"`
}

// Gap is a time without metrics.
type Gap struct {
	From  time.Duration `yaml:"from"`
	Until time.Duration `yaml:"until"`
}

// Metric is one that the pipeline serves beside CPU and memory: what a workload measures, under the name that scalers ask for.
type Metric struct {
	// Kind is Pods, Object or External.
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
	// Workload is the namespace/name of the Deployment that it measures.
	Workload string `yaml:"workload"`
	// Measure is requests-per-second, in-flight, ready-messages, or messages (ready and unacknowledged).
	Measure string `yaml:"measure"`
}

// Read reads a scenario from a file. The error is Problems where the file has mistakes.
func Read(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return Parse(path, text)
}

// Parse reads a scenario; path is for messages, and what the scenario names is relative to it.
func Parse(path string, text []byte) (*Scenario, error) {
	s := &Scenario{
		File: path, Duration: 24 * time.Hour, Every: time.Minute, Seed: 1,
		Pods: Pods{
			ImagePull: Distribution{Constant: 8 * time.Second},
			Start:     Distribution{Constant: 2 * time.Second},
		},
		Metrics: Metrics{Interval: 15 * time.Second},
		Cluster: defaultCluster(),
	}
	d := &decoder{file: path, lines: map[string]int{}}
	var document yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(text))
	switch err := reader.Decode(&document); {
	case errors.Is(err, io.EOF):
		d.say(1, "", "the file is empty; expected a scenario")
	case err != nil:
		d.say(lineOf(err), "", "this is not YAML: %s", textOf(err))
	default:
		d.decode(document.Content[0], reflect.ValueOf(s).Elem(), "")
		if reader.Decode(&yaml.Node{}) == nil {
			d.say(document.Content[0].Line, "", "expected one document, found several")
		}
		s.check(d)
	}
	if err := d.sorted(); err != nil {
		return nil, err
	}
	s.lines = d.lines
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return s, nil
}

// ManifestPaths are the manifests that the scenario names, relative to the working directory.
func (s *Scenario) ManifestPaths() []string {
	paths := make([]string, len(s.Manifests))
	for i, path := range s.Manifests {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(s.File), path)
		}
		paths[i] = path
	}
	return paths
}

// textOf is an error of the YAML parser without its line.
func textOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, rest, found := strings.Cut(text, ": "); found && strings.HasPrefix(line, "line ") {
		return rest
	}
	return text
}

func lineOf(err error) int {
	var line int
	if _, scanErr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scanErr != nil {
		return 1
	}
	return line
}
