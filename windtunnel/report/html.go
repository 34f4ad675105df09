package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

type page struct {
	Title, Subtitle string
	End, Step       float64
	Cards           []card
	SLOs            []promise
	Sections        []section
	Decisions       []decided
	Warnings        []Note
	Complaints      []complained
	NotModelled     []group
}

type card struct{ Name, Value, Class string }

type promise struct{ Name, What, Goal, Attained, Bad, Verdict string }

type section struct {
	Title  string
	Head   []string
	Table  [][]string
	Charts []chart
}

type complained struct{ From, Until, Times, Said string }

type decided struct {
	Seconds float64
	At      string
	Decision
}

// WriteHTML writes one page with everything, that asks nothing of any server.
func (r *Result) WriteHTML(w io.Writer) error {
	p := page{
		Title: r.Title, Subtitle: r.heading(), Warnings: r.Warnings, NotModelled: grouped(r.NotModelled),
		End: r.Axis.At(max(r.Axis.Points-1, 0)), Step: float64(r.Axis.Step), Cards: r.cards(),
	}
	if p.Title == "" {
		p.Title = r.Scenario
	}
	for _, s := range r.SLOs {
		p.SLOs = append(p.SLOs, promise{s.Name, s.promise(), percent(s.Goal), percent(s.Attained), seconds(s.BadSeconds), s.Verdict()})
	}
	for i := range r.Workloads {
		p.Sections = append(p.Sections, r.Workloads[i].section(r.Axis))
	}
	p.Sections = append(p.Sections, r.Cluster.section(r.Axis))
	if len(r.Cluster.Waits) > 0 {
		p.Sections = append(p.Sections, r.Cluster.waits())
	}
	for _, d := range r.Decisions {
		p.Decisions = append(p.Decisions, decided{d.At.Or(0), clock(d.At), d})
	}
	for _, c := range r.Complaints {
		p.Complaints = append(p.Complaints, complained{clock(c.First), c.until(), number(c.Count), c.said()})
	}
	return render(w, "page", pageText, p)
}

func render(w io.Writer, name, text string, data any) error {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return fmt.Errorf("template of the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func (r *Result) cards() []card {
	var cards []card
	if r.Cluster.Cost.Total.Known() {
		cards = append(cards, card{"cost", money(r.Cluster.Cost.Total), ""})
	}
	kept, judged := 0, 0
	for _, s := range r.SLOs {
		if s.Verdict() != Unclear {
			judged++
		}
		if s.Verdict() == Met {
			kept++
		}
	}
	if len(r.SLOs) > 0 {
		c := card{"promises kept", fmt.Sprintf("%d of %d", kept, len(r.SLOs)), Met}
		switch {
		case kept < judged:
			c.Class = Missed
		case judged < len(r.SLOs):
			c.Class = Unclear
		}
		cards = append(cards, c)
	}
	var hours, kills, disrupted Value
	for _, n := range r.Cluster.Nodes {
		hours += n.Hours
	}
	for _, w := range r.Workloads {
		kills += w.Counts.OOMKills
		if w.Serves != "" {
			disrupted += w.Counts.Disrupted
		}
	}
	if r.Cluster.Total.Max().Known() {
		cards = append(cards, card{"node hours", number(hours), ""}, card{"most nodes", number(r.Cluster.Total.Max()), ""})
	}
	return append(cards,
		card{"decisions", number(Value(len(r.Decisions))), ""}, card{"OOM kills", number(kills), ""},
		card{"disrupted work", number(disrupted), ""})
}

func (w *Workload) section(axis Axis) section {
	l, c := w.Latency, w.Counts
	s := section{
		Title: w.Kind + " " + w.ID(),
		Head:  []string{"", "p50", "p90", "p95", "p99", "most"},
	}
	if l.Count.Known() {
		s.Table = append(s.Table, []string{"Latency", seconds(l.P50), seconds(l.P90), seconds(l.P95), seconds(l.P99), seconds(l.Max)})
	}
	if q := w.Waiting; q.Count.Known() {
		s.Table = append(s.Table, []string{"of it waiting", seconds(q.P50), seconds(q.P90), seconds(q.P95), seconds(q.P99), seconds(q.Max)})
	}
	if c.Arrived.Known() {
		s.Table = append(s.Table,
			[]string{w.things(), number(c.Arrived) + " arrived", number(c.Served) + " served", number(c.Failed) + " failed", number(c.Disrupted) + " disrupted", number(c.Unfinished) + " unfinished"})
	}
	s.Table = append(s.Table,
		[]string{"Pods", number(c.ScaledUp) + " up", number(c.ScaledDown) + " down", number(c.OOMKills) + " OOM kills", number(c.Evictions) + " evictions", number(w.ReplicaHours) + " h"})
	for i, r := range w.Recommendations {
		if i == 0 {
			s.Table = append(s.Table, []string{"VPA (" + r.Mode + ")", "requested", "target", "lower bound", "upper bound", "uncapped target"})
		}
		s.Table = append(s.Table, r.rows()...)
	}
	add := func(title string, format func(Value) string, lines ...line) {
		s.Charts = appendChart(s.Charts, chart{Title: title, Lines: lines, Format: format, axis: axis})
	}
	add("Load per second", number, line{"arriving", "a", w.Load, false})
	add("Replicas", number, line{"max", "limit", w.Replicas.Max, true}, line{"min", "limit", w.Replicas.Min, true},
		line{"desired", "b", w.Replicas.Desired, true}, line{"existing", "d", w.Replicas.Current, true}, line{"ready", "a", w.Replicas.Ready, true})
	add("Backlog", number, line{"waiting or in work", "c", w.Backlog, false})
	add("Age of the oldest", seconds, line{"oldest", "e", w.OldestAge, false})
	add("Latency", seconds, line{"p95", "d", w.LatencyP95, false})
	add("CPU, cores", number, line{"requested", "b", w.CPURequested, true}, line{"used", "a", w.CPUUsed, false})
	add("Memory", megabytes, line{"requested", "b", w.MemoryRequested, true}, line{"used", "a", w.MemoryUsed, false})
	return s
}

// appendChart leaves out charts of which nothing is known.
func appendChart(charts []chart, c chart) []chart {
	if len(c.Drawn()) == 0 {
		return charts
	}
	return append(charts, c)
}

func (c *Cluster) section(axis Axis) section {
	s := section{Title: "Nodes and cost", Head: []string{"Type", "Capacity", "Node hours", "$ per hour", "Cost"}}
	var byType []line
	for i, n := range c.Nodes {
		s.Table = append(s.Table, []string{n.Type, n.Capacity, number(n.Hours), price(n.Price), money(n.Cost)})
		byType = append(byType, line{n.Type + " " + n.Capacity, string(rune('a' + i%6)), n.Count, true})
	}
	s.Table = append(s.Table, []string{"control plane", "", "", "", money(c.Cost.ControlPlane)}, []string{"total", "", "", "", money(c.Cost.Total)})
	for _, each := range []chart{
		{Title: "Nodes", Lines: []line{{"all", "b", c.Total, true}, {"ready", "a", c.Ready, true}}, Format: number},
		{Title: "Nodes by type", Lines: byType, Format: number},
		{Title: "Pods without a node", Lines: []line{{"pending", "e", c.PendingPods, true}}, Format: number},
		{Title: "CPU, cores", Lines: []line{{"allocatable", "b", c.CPUAllocatable, true}, {"requested", "a", c.CPURequested, true}}, Format: number},
		{Title: "Memory", Lines: []line{{"allocatable", "b", c.MemoryAllocatable, true}, {"requested", "a", c.MemoryRequested, true}}, Format: megabytes},
		{Title: "Cost per hour", Lines: []line{{"nodes and control plane", "c", c.CostPerHour, true}}, Format: money},
	} {
		each.axis = axis
		s.Charts = appendChart(s.Charts, each)
	}
	return s
}

func (c *Cluster) waits() section {
	s := section{Title: "Why pods waited for a node", Head: []string{"Pods of", "for, together", "because"}}
	for _, w := range c.Waits {
		s.Table = append(s.Table, []string{w.Workload, seconds(w.PodSeconds), w.Reason})
	}
	return s
}
