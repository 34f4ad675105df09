package main

import (
	"bufio"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"k8s-scalers/windtunnel/report"
)

// writeSummary is the short form of a result for a terminal.
func writeSummary(r *report.Result) error {
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "%s: %s of virtual time, seed %d\n\n", r.Scenario, hours(asDuration(r.Duration)), r.Seed)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "workload\treplicas\tready mean\tscaled up/down\tarrived\tfailed\tp50\tp95\tp99\tmax")
	for _, w := range r.Workloads {
		fmt.Fprintf(table, "%s\t%s–%s\t%s\t%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\n", w.ID(),
			number(w.Replicas.Current.Min()), number(w.Replicas.Current.Max()), number(w.Replicas.Ready.Mean()),
			number(w.Counts.ScaledUp), number(w.Counts.ScaledDown), number(w.Counts.Arrived), number(w.Counts.Failed),
			span(w.Latency.P50), span(w.Latency.P95), span(w.Latency.P99), span(w.Latency.Max))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range r.SLOs {
		fmt.Fprintf(out, "\n%s (%s): %s, %.3f of %.3f", s.Name, s.Workload, s.Verdict(), float64(s.Attained), float64(s.Goal))
	}
	if r.Cluster.Cost.Total.Known() {
		fmt.Fprintf(out, "\nnodes %s–%s, $%.2f", number(r.Cluster.Total.Min()), number(r.Cluster.Total.Max()), float64(r.Cluster.Cost.Total))
	}
	for _, n := range r.Warnings {
		fmt.Fprintf(out, "\nwarning: %s %s", n.Where, n.Text)
	}
	for _, n := range r.NotModelled {
		fmt.Fprintf(out, "\nnot modelled: %s %s", n.Where, n.Text)
	}
	fmt.Fprintln(out)
	return out.Flush()
}

func number(v report.Value) string {
	if !v.Known() {
		return "–"
	}
	return fmt.Sprintf("%.4g", float64(v))
}

func span(v report.Value) string {
	if !v.Known() {
		return "–"
	}
	return asDuration(v).Round(time.Millisecond / 10).String()
}

func asDuration(v report.Value) time.Duration { return time.Duration(v.Or(0) * float64(time.Second)) }
