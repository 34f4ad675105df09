package scenario

import (
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"k8s-scalers/windtunnel/workload"
)

// Distribution of a time: a duration alone is always the same; {mean} is exponential, {mean, variation} and {median, p95} are
// log-normal, {low, high} is uniform.
type Distribution struct {
	Constant  time.Duration `yaml:"-"`
	Mean      time.Duration `yaml:"mean"`
	Variation float64       `yaml:"variation"`
	Median    time.Duration `yaml:"median"`
	P95       time.Duration `yaml:"p95"`
	Low       time.Duration `yaml:"low"`
	High      time.Duration `yaml:"high"`
}

const distributionForms = "a duration such as 40ms, or one of {mean}, {mean, variation}, {median, p95}, {low, high}"

func (t *Distribution) read(d *decoder, node *yaml.Node, field string) {
	if node.Kind == yaml.ScalarNode {
		d.duration(node, reflect.ValueOf(&t.Constant).Elem(), field)
		return
	}
	before := len(d.problems)
	d.mapping(node, reflect.ValueOf(t).Elem(), field)
	if len(d.problems) > before {
		return
	}
	given := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		given[node.Content[i].Value] = true
	}
	switch n := len(given); {
	case n == 1 && given["mean"], n == 2 && given["mean"] && given["variation"]:
		if t.Mean <= 0 || t.Variation < 0 {
			d.say(node.Line, field, "mean must be more than 0, and variation not negative")
		}
	case n == 2 && given["median"] && given["p95"]:
		if t.Median <= 0 || t.P95 < t.Median {
			d.say(node.Line, field, "median must be more than 0, and p95 at least the median")
		}
	case n == 2 && given["low"] && given["high"]:
		if t.High < t.Low {
			d.say(node.Line, field, "high must be at least low")
		}
	default:
		d.say(node.Line, field, "expected %s", distributionForms)
	}
}

// needed reports a time that is missing or 0.
func (t Distribution) needed(d *decoder, field string) {
	switch {
	case t.Of().Mean() > 0 || d.wrong(field):
	case d.given(field):
		d.at(field, "expected more than 0: %s", distributionForms)
	default:
		d.at(field, "it is missing; expected %s", distributionForms)
	}
}

// Of is the distribution in seconds.
func (t Distribution) Of() workload.Distribution {
	switch {
	case t.Median > 0:
		return workload.NewLogNormal(t.Median.Seconds(), t.P95.Seconds())
	case t.Mean > 0 && t.Variation > 0:
		return workload.NewLogNormalByMean(t.Mean.Seconds(), t.Variation)
	case t.Mean > 0:
		return workload.Exponential(t.Mean.Seconds())
	case t.High > 0:
		return workload.Uniform{Low: t.Low.Seconds(), High: t.High.Seconds()}
	default:
		return workload.Constant(t.Constant.Seconds())
	}
}
