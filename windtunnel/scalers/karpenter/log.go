package karpenter

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-logr/logr"
)

// sink looks in Karpenter's log for what it decided about disruption, which it tells nowhere else in one piece.
type sink struct {
	config *Config
	values []any
}

var _ logr.LogSink = sink{}

func (sink) Init(logr.RuntimeInfo)          {}
func (sink) Enabled(level int) bool         { return level == 0 }
func (s sink) WithName(string) logr.LogSink { return s }
func (s sink) WithValues(more ...any) logr.LogSink {
	return sink{s.config, append(slices.Clone(s.values), more...)}
}

func (s sink) Error(err error, message string, _ ...any) { s.config.Failed(err, "karpenter: "+message) }

// command is how a disruption writes itself, such as reason/ID: decision: nodepools=[…]: [nodes] -> [1 replacement] (savings: $0.10).
var command = regexp.MustCompile(`^(\w+)/[^:]+: \w+: nodepools=\[[^\]]*\]: \[([^\]]*)\](?: -> \[([^\]]*)\])? \(savings: (\$[^)]*)\)`)

func (s sink) Info(_ int, message string, more ...any) {
	if message != "disrupting node(s)" {
		return
	}
	values := append(slices.Clone(s.values), more...)
	for i := 0; i+1 < len(values); i += 2 {
		text, ok := values[i+1].(string)
		if values[i] != "command" || !ok {
			continue
		}
		parts := command.FindStringSubmatch(text)
		if parts == nil {
			continue
		}
		nodes := strings.Split(parts[2], ", ")
		slices.Sort(nodes)
		to := "removed"
		if parts[3] != "" {
			to = parts[3]
		}
		s.config.Decided(Decision{
			Object: "node " + strings.Join(nodes, ", "), To: to, Reason: strings.ToLower(parts[1]) + ", saves " + parts[4] + " an hour",
		})
	}
}
