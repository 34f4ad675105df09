package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/load"
)

func TestLoadOnAServer(t *testing.T) {
	h := newHome(t)
	h.copyClip("talk.mp4")
	url := h.serve()

	r := h.run("", "load", "--server", url, "--rps", "1", "-d", "1s")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "captions login")

	r = h.run("", "load", "--server", url, "--create", "--users", "2", "--rps", "10", "-d", "3s", "--jobs-per-minute", "60", "--length", "1s,2s",
		"-r", "GET /api/v1/captions", "-r", "GET /api/v1/auth/me", "-r", `POST /api/v1/uploads {"name":""}`, "--json", "--max-error-rate", "0.5")
	require.Equal(t, exitFailed, r.code, "%s\n%s", r.stdout, r.stderr)
	var rep load.Report
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &rep), r.stdout)
	require.Equal(t, url, rep.Server)
	require.Len(t, rep.Requests, 3)
	for _, q := range rep.Requests {
		require.Equal(t, 10, q.Done)
		if strings.HasPrefix(q.Request, "GET") {
			require.Zero(t, q.Failed, "%s: %v", q.Request, q.Errors)
			require.Positive(t, q.Latency.Max)
			continue
		}
		require.Equal(t, 10, q.Failed, "a wrong request is no success: %v", q.Statuses)
	}
	require.Equal(t, load.JobReport{Started: 3, Accepted: 3, Processed: 3, AskedRate: 60,
		AudioSeconds: rep.Jobs.AudioSeconds, Upload: rep.Jobs.Upload, Queue: rep.Jobs.Queue, EndToEnd: rep.Jobs.EndToEnd}, *rep.Jobs, r.stderr)
	require.InDelta(t, 4, rep.Jobs.AudioSeconds, 0.5, "one and two and one second")
	for _, l := range []*load.Latency{rep.Jobs.Upload, rep.Jobs.Queue, rep.Jobs.EndToEnd} {
		require.NotNil(t, l)
		require.Positive(t, l.Max)
	}
	require.Empty(t, rep.Faults)
	require.Len(t, rep.Broken, 1)
	require.Contains(t, r.stderr, "broken: POST /api/v1/uploads: 100 % failed, more than 50 %")
	require.Contains(t, r.stderr, "accepted → processed")

	// With the account that is signed in; what the load makes is deleted, unless it is to be kept.
	r = h.run("correct horse battery\n", "login", "--server", url, "--create", "--password-stdin", "ada@example.org")
	require.Equal(t, exitOK, r.code, r.stderr)
	r = h.run("", "load", "--jobs-per-minute", "120", "-d", "1s", "--max-error-rate", "0", "--max-job-p95", "1h", "talk.mp4")
	require.Equal(t, exitOK, r.code, "%s\n%s", r.stdout, r.stderr)
	require.Empty(t, h.run("", "list", "--json").stdout)
	r = h.run("", "load", "--jobs-per-minute", "60", "-d", "1s", "--keep", "talk.mp4")
	require.Equal(t, exitOK, r.code, "%s\n%s", r.stdout, r.stderr)
	require.Equal(t, 1, strings.Count(h.run("", "list", "--json").stdout, `"state":"processed"`))

	// What is interrupted tells what it has.
	c := h.command("load", "--rps", "20", "-d", "1h", "--jobs-per-minute", "60", "talk.mp4")
	var out bytes.Buffer
	c.Stdout = &out
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	lines := bufio.NewScanner(stderr)
	require.True(t, lines.Scan(), "it tells how it goes")
	require.NoError(t, c.Process.Signal(os.Interrupt))
	for lines.Scan() {
		continue // until it ends
	}
	require.Error(t, c.Wait())
	require.Equal(t, exitInterrupted, c.ProcessState.ExitCode())
	require.Contains(t, out.String(), "GET /api/v1/captions")
	require.Equal(t, 1, strings.Count(h.run("", "list", "--json").stdout, `"id"`), "its jobs are deleted, too")
}

func TestLoadUsage(t *testing.T) {
	h := newHome(t)
	for want, args := range map[string][]string{
		"Say how much":           nil,
		"A rate is more than 0":  {"--rps=-1"},
		"--users is at least 1":  {"--rps", "1", "--users", "0"},
		"--create":               {"--rps", "1", "--users", "2"},
		"is not JSON":            {"--rps", "1", "-r", "POST /api/v1/uploads {name}"},
		"The files are for jobs": {"--rps", "1", "talk.mp4"},
		"missing.mp4 is not a file that can be read": {"--jobs-per-minute", "1", "missing.mp4"},
		`--shape must be one of "steady"`:            {"--rps", "1", "--shape", "cube"},
		"write a part of the whole":                  {"--rps", "1", "--max-error-rate", "200%"},
		"--max-p99 is about requests":                {"--jobs-per-minute", "1", "--max-p99", "1s"},
		"--max-job-p95 is about jobs":                {"--rps", "1", "--max-job-p95", "1s"},
	} {
		r := h.run("", append([]string{"load"}, args...)...)
		require.Equal(t, exitUsage, r.code, want)
		require.Contains(t, r.stderr, want)
	}

	// A server on another machine is never chosen by having signed in there some day.
	require.NoError(t, os.MkdirAll(h.dir+"/config/captions", 0o700))
	require.NoError(t, os.WriteFile(h.dir+"/config/captions/session.json",
		[]byte(`{"server":"https://captions.example.org","refresh_token":"x"}`), 0o600))
	r := h.run("", "load", "--rps", "1")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "captions load --server https://captions.example.org")
}
