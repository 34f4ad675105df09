package scenario

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"k8s-scalers/windtunnel/workload"
)

// Load is a sum of shapes; a single one need not be in a list. Rates are per second.
type Load []Shape

// Shape is one shape of load. Which fields it has depends on its name.
type Shape struct {
	Shape     string        `yaml:"shape"`
	Rate      float64       `yaml:"rate"`
	Low       float64       `yaml:"low"`
	High      float64       `yaml:"high"`
	Base      float64       `yaml:"base"`
	Peak      float64       `yaml:"peak"`
	From      float64       `yaml:"from"`
	To        float64       `yaml:"to"`
	Mean      float64       `yaml:"mean"`
	Amplitude float64       `yaml:"amplitude"`
	Count     float64       `yaml:"count"`
	At        time.Duration `yaml:"at"`
	Until     time.Duration `yaml:"until"`
	Rise      time.Duration `yaml:"rise"`
	Hold      time.Duration `yaml:"hold"`
	Fall      time.Duration `yaml:"fall"`
	Decay     time.Duration `yaml:"decay"`
	Period    time.Duration `yaml:"period"`
	Spread    time.Duration `yaml:"spread"`
	File      string        `yaml:"file"`
	Every     time.Duration `yaml:"every"`
	Scale     float64       `yaml:"scale"`
	Noise     float64       `yaml:"noise"`

	trace []float64
}

// shapes says which fields each shape needs and may have; noise may stand with any.
var shapes = []struct {
	name        string
	needs, more []string
}{
	{"steady", []string{"rate"}, nil},
	{"diurnal", []string{"low", "high"}, []string{"at"}},
	{"sine", []string{"mean", "amplitude", "period"}, nil},
	{"ramp", []string{"from", "to", "until"}, []string{"at"}},
	{"step", []string{"from", "to", "at"}, nil},
	{"spike", []string{"base", "peak", "at"}, []string{"rise", "hold", "fall"}},
	{"flash", []string{"base", "peak", "at", "rise", "decay"}, nil},
	{"batch", []string{"count", "at"}, []string{"spread"}},
	{"trace", []string{"file", "every"}, []string{"scale"}},
}

func (l *Load) read(d *decoder, node *yaml.Node, field string) {
	if node.Kind == yaml.MappingNode {
		*l = make(Load, 1)
		d.decode(node, reflect.ValueOf(&(*l)[0]).Elem(), field)
		return
	}
	plain := []Shape{}
	d.sequence(node, reflect.ValueOf(&plain).Elem(), field)
	*l = plain
}

func (s *Shape) read(d *decoder, node *yaml.Node, field string) {
	name := ""
	for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
		if node.Content[i].Value == "shape" {
			name = node.Content[i+1].Value
		}
	}
	var names []string
	for _, shape := range shapes {
		names = append(names, shape.name)
		if shape.name == name {
			s.readAs(d, node, field, name, shape.needs, shape.more)
			return
		}
	}
	before := len(d.problems)
	d.mapping(node, reflect.ValueOf(s).Elem(), field)
	if len(d.problems) == before {
		d.say(node.Line, join(field, "shape"), "expected one of %s, found %q", strings.Join(names, ", "), name)
	}
}

// readAs reads the fields that a shape has, and reports others.
func (s *Shape) readAs(d *decoder, node *yaml.Node, field, shape string, needs, more []string) {
	allowed := slices.Concat([]string{"shape"}, needs, more, []string{"noise"})
	given := map[string]bool{}
	own := *node
	own.Content = nil
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if !slices.Contains(allowed, name) {
			d.say(node.Content[i].Line, join(field, name), "a %s has no such field; it has %s", shape, strings.Join(allowed[1:], ", "))
			continue
		}
		given[name] = true
		own.Content = append(own.Content, node.Content[i], node.Content[i+1])
	}
	for _, name := range needs {
		if !given[name] {
			d.say(node.Line, field, "a %s needs %s", shape, name)
		}
	}
	before := len(d.problems)
	d.mapping(&own, reflect.ValueOf(s).Elem(), field)
	if len(d.problems) == before {
		s.check(d, field, given, needs)
	}
}

// check finds numbers that cannot be.
func (s *Shape) check(d *decoder, field string, given map[string]bool, needs []string) {
	for _, number := range []struct {
		name  string
		value float64
	}{{"rate", s.Rate}, {"low", s.Low}, {"high", s.High}, {"base", s.Base}, {"peak", s.Peak}, {"from", s.From}, {"to", s.To},
		{"mean", s.Mean}, {"count", s.Count}, {"scale", s.Scale}, {"noise", s.Noise}} {
		if number.value < 0 {
			d.at(join(field, number.name), "expected a number that is not negative, found %v", number.value)
		}
	}
	for _, duration := range []struct {
		name  string
		value time.Duration
	}{{"period", s.Period}, {"decay", s.Decay}, {"every", s.Every}, {"rise", s.Rise}} {
		if slices.Contains(needs, duration.name) && given[duration.name] && duration.value <= 0 {
			d.at(join(field, duration.name), "expected a duration above 0")
		}
	}
	if s.Shape == "trace" && s.File != "" {
		var err error
		if s.trace, err = readTrace(filepath.Join(filepath.Dir(d.file), s.File)); err != nil {
			d.at(join(field, "file"), "%v", err)
		}
	}
}

// readTrace reads one number a line, the last column of a CSV file; a first line without a number is a heading.
func readTrace(path string) ([]float64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("expected a CSV file with the load in its last column: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("expected a CSV file with the load in its last column: %w", err)
	}
	var rates []float64
	for i, record := range records {
		rate, err := strconv.ParseFloat(strings.TrimSpace(record[len(record)-1]), 64)
		switch {
		case err != nil && i == 0:
		case err != nil || rate < 0:
			return nil, fmt.Errorf("line %d of %s: expected a number that is not negative, found %q", i+1, path, record[len(record)-1])
		default:
			rates = append(rates, rate)
		}
	}
	if len(rates) == 0 {
		return nil, fmt.Errorf("%s has no rates", path)
	}
	return rates, nil
}

// Of is the load of a run of this length. Noise is drawn from r.
func (l Load) Of(run time.Duration, r *rand.Rand) workload.Load {
	sum := make(workload.Sum, 0, len(l))
	for _, shape := range l {
		load := shape.of()
		if shape.Noise > 0 {
			load = workload.NewNoisy(load, shape.Noise, run, r)
		}
		sum = append(sum, load)
	}
	if len(sum) == 1 {
		return sum[0]
	}
	return sum
}

func (s Shape) of() workload.Load {
	switch s.Shape {
	case "steady":
		return workload.Steady(s.Rate)
	case "diurnal":
		peak := s.At
		if peak == 0 {
			peak = 14 * time.Hour
		}
		return workload.Diurnal{Low: s.Low, High: s.High, Peak: peak}
	case "sine":
		return workload.Sine{Mean: s.Mean, Amplitude: s.Amplitude, Period: s.Period}
	case "ramp":
		return workload.Ramp{From: s.From, To: s.To, Start: s.At, End: s.Until}
	case "step":
		return workload.Ramp{From: s.From, To: s.To, Start: s.At, End: s.At}
	case "spike":
		return workload.Spike{Base: s.Base, Peak: s.Peak, At: s.At, Rise: s.Rise, Hold: s.Hold, Fall: s.Fall}
	case "flash":
		return workload.Flash{Base: s.Base, Peak: s.Peak, At: s.At, Rise: s.Rise, Decay: s.Decay}
	case "batch":
		return workload.Batch{Count: s.Count, At: s.At, Spread: max(s.Spread, time.Second)}
	default:
		scale := s.Scale
		if scale == 0 {
			scale = 1
		}
		rates := make([]float64, len(s.trace))
		for i, rate := range s.trace {
			rates[i] = rate * scale
		}
		return workload.Trace{Rates: rates, Every: s.Every}
	}
}
