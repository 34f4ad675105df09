package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// sparkWidth is how many characters a sparkline has.
const sparkWidth = 60

// WriteSummary writes what fits a terminal.
func (r *Result) WriteSummary(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.heading())
	for i := range r.Workloads {
		r.Workloads[i].summary(&b)
	}
	r.Cluster.summary(&b)
	summarySLOs(&b, r.SLOs)
	summaryDecisions(&b, r.Decisions)
	summaryNotes(&b, "Warnings", r.Warnings)
	summaryComplaints(&b, r.Complaints)
	summaryNotModelled(&b, r.NotModelled)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) heading() string {
	parts := []string{r.Scenario}
	if r.Policy != "" {
		parts = append(parts, "policy "+r.Policy)
	}
	parts = append(parts, seconds(r.Duration), fmt.Sprintf("seed %d", r.Seed))
	text := strings.Join(parts, ", ")
	if r.Interrupted {
		text += fmt.Sprintf(" (interrupted; %s were asked for)", seconds(r.Planned))
	}
	return text
}

func (w *Workload) summary(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s %s\n", w.Kind, w.ID())
	row := func(name string, s Series, format func(Value) string) {
		if known(s) {
			fmt.Fprintf(b, "  %-10s %s  %s to %s\n", name, Sparkline(s, sparkWidth), format(s.Min()), format(s.Max()))
		}
	}
	row("load/s", w.Load, number)
	row("replicas", w.Replicas.Ready, number)
	row("backlog", w.Backlog, number)
	row("oldest", w.OldestAge, seconds)
	if w.Latency.Count > 0 {
		l := w.Latency
		fmt.Fprintf(b, "  latency    p50 %s, p90 %s, p95 %s, p99 %s, most %s\n", seconds(l.P50), seconds(l.P90), seconds(l.P95), seconds(l.P99), seconds(l.Max))
	}
	c := w.Counts
	var parts []string
	for _, item := range []struct {
		value Value
		text  string
		zero  bool // said even when it is 0
	}{
		{c.Arrived, "arrived", true}, {c.Served, "served", true}, {c.Failed, "failed", true}, {c.Unfinished, "unfinished", false},
		{c.TimedOut, "timed out", false}, {c.Retried, "retried", false}, {c.Disrupted, "disrupted", true},
		{c.Redelivered, "redelivered", false},
	} {
		if item.value.Known() && (item.zero || item.value != 0) {
			parts = append(parts, number(item.value)+" "+item.text)
		}
	}
	if parts != nil {
		fmt.Fprintf(b, "  %-10s %s\n", w.things(), strings.Join(parts, ", "))
	}
	fmt.Fprintf(b, "  pods       %s scaled up, %s down, %s OOM kills, %s evictions, %s replica hours\n",
		number(c.ScaledUp), number(c.ScaledDown), number(c.OOMKills), number(c.Evictions), number(w.ReplicaHours))
	for _, r := range w.Recommendations {
		r.summary(b)
	}
}

func (w *Workload) things() string {
	switch {
	case w.Unit != "":
		return w.Unit + "s"
	case w.Serves != "":
		return w.Serves
	}
	return "work"
}

func (c *Cluster) summary(b *strings.Builder) {
	fmt.Fprintf(b, "\nNodes\n")
	row := func(name string, s Series, format func(Value) string) {
		if known(s) {
			fmt.Fprintf(b, "  %-10s %s  %s to %s\n", name, Sparkline(s, sparkWidth), format(s.Min()), format(s.Max()))
		}
	}
	row("all", c.Total, number)
	row("pending", c.PendingPods, number)
	row("$/h", c.CostPerHour, money)
	for _, w := range c.Waits {
		fmt.Fprintf(b, "  waited     pods of %s for %s together: %s\n", w.Workload, seconds(w.PodSeconds), w.Reason)
	}
	table := tabwriter.NewWriter(b, 2, 0, 2, ' ', tabwriter.AlignRight)
	for _, n := range c.Nodes {
		fmt.Fprintf(table, "  %s\t%s\t%s node hours\tat %s\t%s\t\n", n.Type, n.Capacity, number(n.Hours), price(n.Price), money(n.Cost))
	}
	fmt.Fprintf(table, "  control plane\t\t\t\t%s\t\n", money(c.Cost.ControlPlane))
	fmt.Fprintf(table, "  total\t\t\t\t%s\t\n", money(c.Cost.Total))
	_ = table.Flush() // a strings.Builder takes everything
	fmt.Fprintf(b, "  %s added, %s removed, %s interrupted\n", number(c.NodesAdded), number(c.NodesRemoved), number(c.SpotInterruptions))
}

func price(v Value) string {
	if !v.Known() {
		return dash
	}
	return fmt.Sprintf("$%.4f", float64(v))
}

func summarySLOs(b *strings.Builder, slos []SLO) {
	if len(slos) == 0 {
		return
	}
	fmt.Fprintf(b, "\nPromises\n")
	for _, s := range slos {
		fmt.Fprintf(b, "  %-7s %s: %s of %s, %s promised\n", s.Verdict(), s.Name, percent(s.Attained), s.promise(), percent(s.Goal))
	}
}

func (s SLO) promise() string {
	switch s.Measure {
	case LatencyBelow:
		return fmt.Sprintf("%s within %s", s.Workload, seconds(s.Threshold))
	case AgeBelow:
		return fmt.Sprintf("the time with nothing of %s older than %s", s.Workload, seconds(s.Threshold))
	}
	return s.Workload + " served"
}

// shownDecisions is how many decisions fit a summary; all of them are in the other forms.
const shownDecisions = 12

func summaryDecisions(b *strings.Builder, all []Decision) {
	if len(all) == 0 {
		return
	}
	counts := map[string]int{}
	var scalers []string
	for _, d := range all {
		if counts[d.Scaler] == 0 {
			scalers = append(scalers, d.Scaler)
		}
		counts[d.Scaler]++
	}
	slices.Sort(scalers)
	var parts []string
	for _, name := range scalers {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	fmt.Fprintf(b, "\nDecisions: %s\n", strings.Join(parts, ", "))
	for i, d := range all {
		if i == shownDecisions {
			fmt.Fprintf(b, "  and %d more in the HTML report (-o FILE) and in CSV (--decisions)\n", len(all)-i)
			break
		}
		fmt.Fprintf(b, "  %s  %s  %s%s: %s\n", clock(d.At), d.Scaler, d.Object, d.change(), d.Reason)
	}
}

func (d Decision) change() string {
	switch {
	case d.From != "" && d.To != "":
		return " " + d.From + " → " + d.To
	case d.To != "":
		return " → " + d.To
	case d.From != "":
		return " from " + d.From
	}
	return ""
}

func summaryNotes(b *strings.Builder, title string, notes []Note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, n := range notes {
		fmt.Fprintf(b, "  %s\n", n)
	}
}

// summaryNotModelled says once what is said of several objects.
func summaryNotModelled(b *strings.Builder, notes []Note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "\nNot modelled\n")
	for _, g := range grouped(notes) {
		if first := g.Notes[0]; len(g.Notes) == 1 {
			fmt.Fprintf(b, "  %s\n", first)
		} else {
			fmt.Fprintf(b, "  %s: %s and %d more: %s\n", first.Where, first.Object, len(g.Notes)-1, g.Text)
		}
	}
}

func summaryComplaints(b *strings.Builder, complaints []Complaint) {
	if len(complaints) == 0 {
		return
	}
	fmt.Fprintf(b, "\nComplaints of controllers\n")
	for _, c := range complaints {
		fmt.Fprintf(b, "  %s to %s, %s: %s\n", clock(c.First), c.until(), plural(c.Count, "time"), c.said())
	}
}

func known(s Series) bool { return s.Max().Known() }

// Sparkline draws a series from 0 to its maximum in so many characters. Each shows the largest value of its part of the
// time, so that no peak is lost; a part of which nothing is known is a space.
func Sparkline(s Series, width int) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	top := float64(s.Max())
	if len(s) < width {
		width = len(s)
	}
	line := make([]rune, width)
	for i := range line {
		part := s[i*len(s)/width : max(i*len(s)/width+1, (i+1)*len(s)/width)]
		v := part.Max()
		switch {
		case !v.Known():
			line[i] = ' '
		case top <= 0:
			line[i] = blocks[0]
		default:
			at := int(math.Ceil(float64(v)/top*float64(len(blocks)))) - 1
			line[i] = blocks[min(max(at, 0), len(blocks)-1)]
		}
	}
	return string(line)
}
