package cas

import (
	"math/rand/v2"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"sigs.k8s.io/yaml"
)

// option is one way to help pending pods: so many nodes of one group.
type option struct {
	group    *Group
	similar  []*Group
	nodes    int
	pods     []*corev1.Pod
	template *framework.NodeInfo
}

// expander keeps the best of several options. What more than one expander leaves is drawn.
type expander func(options []option, state *view, r *rand.Rand) []option

var expanders = map[string]expander{
	"least-waste": leastWaste,
	"least-nodes": func(options []option, _ *view, _ *rand.Rand) []option {
		return lowest(options, func(o option) float64 { return float64(o.nodes) })
	},
	"most-pods": func(options []option, _ *view, _ *rand.Rand) []option {
		return lowest(options, func(o option) float64 { return -float64(len(o.pods)) })
	},
	"priority": byPriority,
	"random": func(options []option, _ *view, r *rand.Rand) []option {
		return []option{options[r.IntN(len(options))]}
	},
}

func choose(names []string, options []option, state *view, r *rand.Rand) option {
	for _, name := range names {
		options = expanders[name](options, state, r)
		if len(options) == 1 {
			return options[0]
		}
	}
	return options[r.IntN(len(options))]
}

func lowest(options []option, score func(option) float64) []option {
	var best []option
	var bestScore float64
	for _, o := range options {
		switch s := score(o); {
		case best == nil || s < bestScore:
			best, bestScore = []option{o}, s
		case s == bestScore:
			best = append(best, o)
		}
	}
	return best
}

// leastWaste adds the idle parts of cpu and of memory on the new nodes, as fractions of their capacity.
func leastWaste(options []option, _ *view, _ *rand.Rand) []option {
	return lowest(options, func(o option) float64 {
		var cpu, memory int64
		for _, pod := range o.pods {
			c, m := requests(pod)
			cpu += c
			memory += m
		}
		capacity := o.template.Node().Status.Capacity
		allCPU, allMemory := capacity.Cpu().MilliValue()*int64(o.nodes), capacity.Memory().Value()*int64(o.nodes)
		return float64(allCPU-cpu)/float64(allCPU) + float64(allMemory-memory)/float64(allMemory)
	})
}

// byPriority keeps the groups whose name matches the highest number in the ConfigMap. Without a ConfigMap, with one that
// cannot be read, and when no group matches, it keeps all.
func byPriority(options []option, state *view, _ *rand.Rand) []option {
	var best []option
	highest := -1
	for number, patterns := range priorities(state.Priorities) {
		var matching []option
		for _, o := range options {
			if slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(o.group.Name) }) {
				matching = append(matching, o)
			}
		}
		if len(matching) > 0 && number > highest {
			best, highest = matching, number
		}
	}
	if best == nil {
		return options
	}
	return best
}

func priorities(text string) map[int][]*regexp.Regexp {
	var config map[int][]string
	if text == "" || yaml.Unmarshal([]byte(text), &config) != nil {
		return nil
	}
	compiled := map[int][]*regexp.Regexp{}
	for number, patterns := range config {
		for _, pattern := range patterns {
			expression, err := regexp.Compile(pattern)
			if err != nil {
				return nil
			}
			compiled[number] = append(compiled[number], expression)
		}
	}
	return compiled
}
