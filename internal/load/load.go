// Package load makes load on a server of the platform and measures what becomes of it: requests on any route, and jobs
// with videos in which somebody speaks. It is what captions load runs, and what shows that autoscalers act.
//
// The load is open: each event has a time at which it is due, whatever became of those before it, and latencies count
// from that time. A server that stops for a second is seen by all who would have asked in that second. What the figures
// look like on a screen is the business of the command; who judges them, too.
package load

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/client"
)

// Plan is a load. Requests, Jobs or both must be there.
type Plan struct {
	// Users share the load in turns; at least one. Their clients' HTTP is what [HTTPClient] returns.
	Users []*client.Client
	// Requests are sent in turns, RequestCurve of them.
	Requests     []Request
	RequestCurve Curve
	// Timeout is how long a request may take. Default 30 s.
	Timeout time.Duration
	// Clips are files that are uploaded in turns, JobCurve of them, each for one job.
	Clips    []string
	JobCurve Curve
	Options  caption.Options // of the jobs
	// Drain is how long jobs may take to end after the last of the load; those that have not ended are reported so.
	Drain time.Duration
	// Keep leaves uploads and captions at the server. They are deleted otherwise, each when its job has ended.
	Keep bool
	// Progress, which may be nil, is called twice a second, and at the end.
	Progress func(Report)
}

// settle is how long requests may take after an interruption before they are given up.
const settle = 3 * time.Second

// Run makes the load and returns what was measured. When ctx ends it stops, and returns what there is so far. An error
// means that nothing could be measured at all.
func Run(ctx context.Context, p Plan) (Report, error) {
	if err := p.check(); err != nil {
		return Report{}, err
	}
	if p.Timeout <= 0 {
		p.Timeout = 30 * time.Second
	}
	tokens, err := newTokens(ctx, p.Users)
	if err != nil {
		return Report{}, err
	}
	r := &recorder{server: p.Users[0].Base}
	if len(p.Requests) > 0 {
		r.requests = newRequestStats(p.Requests, p.RequestCurve)
	}
	if len(p.Clips) > 0 {
		r.jobs = newJobStats(p.JobCurve)
	}
	r.began = time.Now()
	// What is in flight when the load stops may end in peace, but not take for ever.
	work, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(settle, give) })()

	var background sync.WaitGroup
	ended := make(chan struct{})
	background.Go(func() { tokens.refresh(work, ended, r) })
	if p.Progress != nil {
		background.Go(func() {
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ended:
					return
				case <-tick.C:
					p.Progress(r.report())
				}
			}
		})
	}
	var g errgroup.Group
	if r.requests != nil {
		g.Go(func() error { attack(ctx, work, p, tokens, r); return nil })
	}
	if r.jobs != nil {
		g.Go(func() error { return runJobs(ctx, work, p, r) })
	}
	err = g.Wait()
	close(ended)
	background.Wait()
	r.end(ctx.Err() != nil)
	report := r.report()
	if p.Progress != nil {
		p.Progress(report)
	}
	return report, err
}

func (p Plan) check() error {
	if len(p.Users) == 0 {
		return invalid("The load needs at least one user.")
	}
	if len(p.Requests) == 0 && len(p.Clips) == 0 {
		return invalid("The load has neither requests nor jobs.")
	}
	if len(p.Requests) > 0 {
		if err := p.RequestCurve.check(); err != nil {
			return err
		}
	}
	if len(p.Clips) > 0 {
		return p.JobCurve.check()
	}
	return nil
}

// HTTPClient returns the client for all users of a load: it keeps as many connections as there are requests at a time.
func HTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 10_000
	return &http.Client{Transport: t}
}

// wait waits until a time. It returns false if ctx ends first.
func wait(ctx context.Context, until time.Time) bool {
	d := time.Until(until)
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
