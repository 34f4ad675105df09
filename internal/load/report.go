package load

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what was measured, so far or in all. Times are in seconds; what could not be measured is null.
type Report struct {
	Server      string    `json:"server"`
	Began       time.Time `json:"began"`
	Seconds     float64   `json:"seconds"` // since then, the waiting for jobs included
	Interrupted bool      `json:"interrupted"`

	Requests []RequestReport `json:"requests,omitempty"`
	Jobs     *JobReport      `json:"jobs,omitempty"`
	// Faults are what went wrong beside the load: refreshing tokens, cleaning up.
	Faults map[string]int `json:"faults,omitempty"`
	// Broken are the thresholds that do not hold, in words; [Thresholds.Judge] fills it in.
	Broken []string `json:"broken,omitempty"`
}

// RequestReport is about the requests on one route.
type RequestReport struct {
	Request    string         `json:"request"`
	Done       int            `json:"done"`
	Failed     int            `json:"failed"`     // of Done: no answer, or one with a status of 400 and above
	Unfinished int            `json:"unfinished"` // given up when the load was interrupted
	AskedRate  float64        `json:"asked_per_second"`
	Rate       float64        `json:"done_per_second"`
	Latency    *Latency       `json:"latency_seconds"` // of Done, from the time at which each was due
	Statuses   map[int]int    `json:"statuses"`
	Errors     map[string]int `json:"errors,omitempty"`
}

// JobReport is about the jobs.
type JobReport struct {
	Started    int `json:"started"`
	Accepted   int `json:"accepted"`
	Processed  int `json:"processed"`
	Failed     int `json:"failed"`     // was not accepted, or did not end as processed
	Unfinished int `json:"unfinished"` // when the waiting ended
	Running    int `json:"running"`    // now

	AskedRate    float64 `json:"asked_per_minute"`
	AudioSeconds float64 `json:"audio_seconds"` // of the processed
	// Upload is from when a job was due until all of its file was at the server, Queue from its acceptance until a
	// worker has begun, EndToEnd from its acceptance until it was processed, as the events of the server tell.
	Upload   *Latency       `json:"upload_seconds"`
	Queue    *Latency       `json:"queue_seconds"`
	EndToEnd *Latency       `json:"end_to_end_seconds"`
	Errors   map[string]int `json:"errors,omitempty"`
}

// Latency is a distribution of times in seconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Thresholds are what a load must hold. nil means that anything will do.
type Thresholds struct {
	ErrorRate *float64       // failed requests of a route, or failed jobs, as a part of those that ended
	P99       *time.Duration // latency of the requests on a route
	JobP95    *time.Duration // time from the acceptance of a job until it is processed
}

// Judge notes in the report which thresholds are broken. What was not measured breaks them, too.
func (t Thresholds) Judge(r *Report) {
	broken := func(format string, args ...any) { r.Broken = append(r.Broken, fmt.Sprintf(format, args...)) }
	rate := func(what string, failed, ended int) {
		switch {
		case t.ErrorRate == nil:
		case ended == 0:
			broken("%s: none has ended, so that the error rate is not known", what)
		case float64(failed)/float64(ended) > *t.ErrorRate:
			broken("%s: %.3g %% failed, more than %.3g %%", what, 100*float64(failed)/float64(ended), 100**t.ErrorRate)
		}
	}
	atMost := func(what, quantile string, l *Latency, of func(*Latency) float64, limit *time.Duration) {
		switch {
		case limit == nil:
		case l == nil:
			broken("%s: nothing was measured, so that the %s is not known", what, quantile)
		case of(l) > limit.Seconds():
			broken("%s: the %s is %s, more than %s", what, quantile, short(of(l)), *limit)
		}
	}
	for _, q := range r.Requests {
		rate(q.Request, q.Failed, q.Done)
		atMost(q.Request, "p99", q.Latency, func(l *Latency) float64 { return l.P99 }, t.P99)
	}
	if j := r.Jobs; j != nil {
		rate("jobs", j.Failed, j.Failed+j.Processed)
		atMost("jobs", "p95 from accepted to processed", j.EndToEnd, func(l *Latency) float64 { return l.P95 }, t.JobP95)
	}
}

// Write writes the report as tables.
func (r Report) Write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(r.Requests) > 0 {
		fmt.Fprintln(tw, "requests\tdone\tfailed\tunfinished\tasked/s\tdone/s\tmean\tp50\tp90\tp95\tp99\tmax")
		for _, q := range r.Requests {
			fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%.4g\t%.4g\t%s\n", q.Request, q.Done, q.Failed, q.Unfinished, q.AskedRate, q.Rate, q.Latency.columns())
		}
		fmt.Fprintln(tw)
	}
	if j := r.Jobs; j != nil {
		fmt.Fprintln(tw, "jobs\tstarted\taccepted\tprocessed\tfailed\tunfinished\tasked/min\taudio")
		fmt.Fprintf(tw, "\t%d\t%d\t%d\t%d\t%d\t%.4g\t%s\n\n", j.Started, j.Accepted, j.Processed, j.Failed, j.Unfinished, j.AskedRate, short(j.AudioSeconds))
		fmt.Fprintln(tw, "times of jobs\tmean\tp50\tp90\tp95\tp99\tmax")
		for _, row := range []struct {
			name string
			l    *Latency
		}{{"due → uploaded", j.Upload}, {"accepted → begun", j.Queue}, {"accepted → processed", j.EndToEnd}} {
			fmt.Fprintf(tw, "%s\t%s\n", row.name, row.l.columns())
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, q := range r.Requests {
		writeErrors(w, q.Request, q.Errors)
	}
	if r.Jobs != nil {
		writeErrors(w, "jobs", r.Jobs.Errors)
	}
	writeErrors(w, "beside the load", r.Faults)
	for _, b := range r.Broken {
		fmt.Fprintln(w, "broken:", b)
	}
	return nil
}

func writeErrors(w io.Writer, what string, errs map[string]int) {
	names := slices.SortedFunc(maps.Keys(errs), func(a, b string) int {
		return cmp.Or(cmp.Compare(errs[b], errs[a]), cmp.Compare(a, b))
	})
	for _, n := range names {
		fmt.Fprintf(w, "%s: %d × %s\n", what, errs[n], n)
	}
}

func (l *Latency) columns() string {
	if l == nil {
		return "–\t–\t–\t–\t–\t–"
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", short(l.Mean), short(l.P50), short(l.P90), short(l.P95), short(l.P99), short(l.Max))
}

// short is a time with three digits.
func short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	for unit := time.Duration(1); unit <= time.Second; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Second).String()
}
