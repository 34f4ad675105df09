package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s-scalers/internal/client"
	"k8s-scalers/internal/load"
)

type loadCmd struct {
	serverFlag
	Files []string `arg:"" optional:"" name:"file" help:"Videos for the jobs, in turns. Default: videos made for the purpose, in which somebody speaks."`

	RPS           float64         `name:"rps" help:"Requests a second." placeholder:"N"`
	Request       []string        `short:"r" sep:"none" default:"GET /api/v1/captions" placeholder:"'METHOD /PATH [JSON]'" help:"What is asked for; several take turns. Default: GET /api/v1/captions."`
	Timeout       time.Duration   `default:"30s" help:"How long a request may take."`
	JobsPerMinute float64         `help:"Uploads with captions a minute." placeholder:"N"`
	Length        []time.Duration `default:"30s" help:"Length of the videos that are made; several take turns."`

	Shape    string        `default:"steady" enum:"steady,ramp,spike,sine" help:"How the rates go: steady; ramp, from low to full; spike, low but for the middle fifth; sine, waves from low to full and back."`
	Low      percent       `default:"10%" help:"What is low, as a part of the full rate." placeholder:"10%"`
	Period   time.Duration `help:"Length of a wave of sine. Default: one wave." placeholder:"TIME"`
	Duration time.Duration `short:"d" default:"1m" help:"How long the load lasts."`
	Drain    time.Duration `default:"10m" help:"How long the last jobs may take to end."`

	Users  int  `default:"1" help:"How many users share the load; more than one need --create." placeholder:"N"`
	Create bool `help:"Make new accounts for the load instead of using yours. They stay."`
	Keep   bool `help:"Leave the videos and captions of the load at the server. They are deleted otherwise."`
	JSON   bool `name:"json" help:"Print JSON on standard output, and the table on standard error."`

	MaxErrorRate *percent       `help:"Fail if more requests of a route, or more jobs, fail." placeholder:"1%"`
	MaxP99       *time.Duration `name:"max-p99" help:"Fail if 1% of the requests of a route take longer." placeholder:"500ms"`
	MaxJobP95    *time.Duration `name:"max-job-p95" help:"Fail if 5% of the jobs take longer from their acceptance to their captions." placeholder:"2m"`
}

// Help implements kong.HelpProvider.
func (loadCmd) Help() string {
	return `Makes load, and tells how long the answers and the captions take: to see autoscalers act, or to find out what a server can do.
Each request and job has a time at which it is due, however slow those before it are, and its latency counts from then.
A server elsewhere must be named by --server. Ctrl-C ends the load with what was measured so far.
The exit code is 1 if a limit given by --max-… is broken.

The server limits how often each user may ask (CAPTIONS_REQUESTS_PER_MINUTE, 1200) and how many unfinished jobs a user may
have (CAPTIONS_MAX_ACTIVE_JOBS, 100): raise these, or spread the load over more --users.

Examples:
  captions load --create --rps 20 -d 5m
  captions load --create --users 10 --rps 150 --shape spike -r "GET /api/v1/uploads" -r "GET /api/v1/auth/me"
  captions load --jobs-per-minute 6 --length 30s,2m --shape ramp -d 20m
  captions load --server https://captions.example.org --jobs-per-minute 2 talk.mp4
  captions load --create --rps 20 --max-error-rate 0.1% --max-p99 250ms --json > load.json`
}

func (c loadCmd) Run(e *env) error {
	p, err := c.plan()
	if err != nil {
		return err
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	if c.Server == "" && !loopback(cl.Base) {
		return usage("You are signed in at %s, which is another machine. To make load there, name it: captions load --server %s", cl.Base, cl.Base)
	}
	cl.HTTP = load.HTTPClient()
	defer cl.HTTP.CloseIdleConnections()
	if p.Users = []*client.Client{cl}; c.Create {
		if p.Users, err = load.CreateUsers(e.ctx, cl.Base, cl.HTTP, c.Users); err != nil {
			return err
		}
	}
	if c.JobsPerMinute > 0 && len(c.Files) == 0 {
		dir, err := os.MkdirTemp("", "captions-load-")
		if err != nil {
			return fmt.Errorf("make a folder for videos: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // It lies in the folder of temporary files.
		if p.Clips, err = load.MakeClips(e.ctx, dir, c.Length); err != nil {
			return err
		}
	}
	line := newLoadLine(e.stderr, p)
	p.Progress = line.show
	report, err := load.Run(e.ctx, p)
	line.end()
	if err != nil {
		return err
	}
	return c.print(e, report)
}

// plan is the load without users and made videos.
func (c loadCmd) plan() (load.Plan, error) {
	switch {
	case c.RPS == 0 && c.JobsPerMinute == 0:
		return load.Plan{}, usage("Say how much: --rps for requests, --jobs-per-minute for videos, or both.")
	case c.RPS < 0 || c.JobsPerMinute < 0:
		return load.Plan{}, usage("A rate is more than 0.")
	case c.Users < 1:
		return load.Plan{}, usage("--users is at least 1.")
	case c.Users > 1 && !c.Create:
		return load.Plan{}, usage("You are one user. For %d, let new accounts be made: --create", c.Users)
	case len(c.Files) > 0 && c.JobsPerMinute == 0:
		return load.Plan{}, usage("The files are for jobs: say how many with --jobs-per-minute.")
	case c.MaxP99 != nil && c.RPS == 0:
		return load.Plan{}, usage("--max-p99 is about requests: say how many with --rps.")
	case c.MaxJobP95 != nil && c.JobsPerMinute == 0:
		return load.Plan{}, usage("--max-job-p95 is about jobs: say how many with --jobs-per-minute.")
	}
	p := load.Plan{Clips: c.Files, Timeout: c.Timeout, Drain: c.Drain, Keep: c.Keep}
	for _, f := range c.Files {
		if st, err := os.Stat(f); err != nil || !st.Mode().IsRegular() {
			return load.Plan{}, usage("%s is not a file that can be read.", filepath.Clean(f))
		}
	}
	curve := load.Curve{Shape: load.Shape(c.Shape), Low: float64(c.Low), Duration: c.Duration, Period: c.Period}
	if c.RPS > 0 {
		for _, s := range c.Request {
			r, err := load.ParseRequest(s)
			if err != nil {
				return load.Plan{}, err
			}
			p.Requests = append(p.Requests, r)
		}
	}
	p.RequestCurve, p.JobCurve = curve, curve
	p.RequestCurve.Rate, p.JobCurve.Rate = c.RPS, c.JobsPerMinute/60
	return p, nil
}

// print prints the report, and returns an error where a limit is broken.
func (c loadCmd) print(e *env, r load.Report) error {
	t := load.Thresholds{P99: c.MaxP99, JobP95: c.MaxJobP95, ErrorRate: (*float64)(c.MaxErrorRate)}
	t.Judge(&r)
	table := e.stdout
	if c.JSON {
		table = e.stderr
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := r.Write(table); err != nil {
		return err
	}
	switch {
	case r.Interrupted:
		return e.ctx.Err()
	case len(r.Broken) > 0:
		return errReported
	}
	return nil
}

// loopback tells whether a server is on this machine.
func loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost") || ip != nil && ip.IsLoopback()
}

// percent is a part of something, written as 5% or 0.05.
type percent float64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *percent) UnmarshalText(b []byte) error {
	s, per := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(s, 64)
	if err == nil && per {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("write a part of the whole, such as 5% or 0.05")
	}
	*p = percent(v)
	return nil
}
