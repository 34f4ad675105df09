package report

import (
	"fmt"
	"strings"
)

// Recommendation is what a VerticalPodAutoscaler recommends for a container at the end of the run.
type Recommendation struct {
	// Policy names the VerticalPodAutoscaler; Mode is what it does with its recommendations: Off, Initial, Recreate, InPlaceOrRecreate.
	Policy    string `json:"policy"`
	Mode      string `json:"mode"`
	Container string `json:"container"`
	// CPU is in cores, Memory in bytes.
	CPU    Bounds `json:"cpu_cores"`
	Memory Bounds `json:"memory_bytes"`
}

// Bounds are a recommendation for one resource; unknown where the policy leaves the resource alone. Requested is what the Deployment
// asks for. Outside of Lower and Upper the updater acts. Uncapped is the target without the limits of the policy.
type Bounds struct {
	Requested Value `json:"requested"`
	Lower     Value `json:"lower_bound"`
	Target    Value `json:"target"`
	Upper     Value `json:"upper_bound"`
	Uncapped  Value `json:"uncapped_target"`
}

// rows are the recommendation for people, one resource a row: name, requested, target, lower, upper, uncapped.
func (r Recommendation) rows() [][]string {
	var rows [][]string
	for _, resource := range []struct {
		name   string
		bounds Bounds
		format func(Value) string
	}{{"CPU", r.CPU, cores}, {"memory", r.Memory, megabytes}} {
		if b := resource.bounds; b.Target.Known() {
			rows = append(rows, []string{
				resource.name + " of " + r.Container, resource.format(b.Requested), resource.format(b.Target),
				resource.format(b.Lower), resource.format(b.Upper), resource.format(b.Uncapped),
			})
		}
	}
	return rows
}

// summary writes the recommendation for a terminal.
func (r Recommendation) summary(b *strings.Builder) {
	for _, row := range r.rows() {
		fmt.Fprintf(b, "  vpa %-6s %s: %s recommended (%s to %s; %s uncapped), %s requested\n", r.Mode, row[0], row[2], row[3], row[4], row[5], row[1])
	}
}

// cores is CPU as manifests write it.
func cores(v Value) string {
	if !v.Known() {
		return dash
	}
	if v < 1 {
		return fmt.Sprintf("%.0fm", float64(v)*1000)
	}
	return number(v)
}
