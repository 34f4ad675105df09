package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/testservers"
)

// bury puts dead letters on the queue of a URL.
func bury(t *testing.T, url string, jobs ...string) {
	t.Helper()
	q, err := backend.OpenQueue(t.Context(), url, backend.QueueOptions{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	for i, job := range jobs {
		require.NoError(t, q.Publish(t.Context(), caption.Task{Kind: caption.Transcribe, JobID: job, Run: 1, Segment: i}))
		d, err := q.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Bury(t.Context(), "the engine \"fell\" over"))
	}
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, q.Close())
}

// runCommand runs a command in this process.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	errs, err := os.CreateTemp(t.TempDir(), "err")
	require.NoError(t, err)
	oldOut, oldErr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = out, errs
	code = run(args)
	os.Stdout, os.Stderr = oldOut, oldErr
	o, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	e, err := os.ReadFile(errs.Name())
	require.NoError(t, err)
	return code, string(o), string(e)
}

func TestDeadLetters(t *testing.T) {
	rabbit := testservers.NewRabbitMQ(t, "consumer_timeout = 7200000")
	data := t.TempDir()
	for name, c := range map[string]struct {
		url  string
		args []string // by which the command finds the queue
		env  string
	}{
		"SQLite":   {"sqlite:" + filepath.Join(data, "queue.db"), []string{"--data", data}, ""},
		"RabbitMQ": {rabbit.URL + "?consumer_timeout=2h", nil, rabbit.URL + "?consumer_timeout=2h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CAPTIONS_QUEUE_URL", c.env)
			command := func(args ...string) (int, string, string) {
				return runCommand(t, append(append([]string{"dead-letters"}, args...), c.args...)...)
			}
			bury(t, c.url)
			code, out, errs := command("list")
			require.Equal(t, []any{0, "", "There are no dead letters.\n"}, []any{code, out, errs})

			bury(t, c.url, "joba", "jobb", "jobc")
			code, out, errs = command("list")
			require.Zero(t, code, errs)
			require.Regexp(t, `(?m)^ID +DIED +JOB +TASK +ATTEMPTS +CAUSE\n\S+ +\d{4}-\d\d-\d\d \d\d:\d\d +joba +transcribe 0 +1 +"the engine \\"fell\\" over"\n`, out)
			var dead []deadView
			code, out, errs = command("list", "--json")
			require.Zero(t, code, errs)
			require.NoError(t, json.Unmarshal([]byte(out), &dead))
			require.Len(t, dead, 3)
			require.Equal(t, "joba", dead[0].Task.JobID)
			require.False(t, dead[0].Died.IsZero())

			code, out, errs = command("retry", dead[0].ID, "nothing")
			require.Equal(t, 1, code)
			require.Equal(t, dead[0].ID+": back on the queue\n", out)
			require.Equal(t, "nothing: there is no such dead letter\n", errs)
			code, out, errs = command("drop", "--all")
			require.Zero(t, code, errs)
			require.Contains(t, out, dead[1].ID+": dropped\n")
			require.Contains(t, out, dead[2].ID+": dropped\n")
			code, _, errs = command("drop")
			require.Equal(t, 2, code)
			require.Contains(t, errs, "Name the dead letters, or all of them by --all.")

			q, err := backend.OpenQueue(t.Context(), c.url, backend.QueueOptions{})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- q.Run(ctx) }()
			stats, err := q.QueueStats(t.Context())
			require.NoError(t, err)
			require.Equal(t, []int{1, 0}, []int{stats.Ready, stats.Dead})
			stop()
			require.NoError(t, <-ended)
			require.NoError(t, q.Close())
		})
	}
}

func TestDeadLettersThatCannotBeReached(t *testing.T) {
	t.Setenv("CAPTIONS_QUEUE_URL", "")
	code, _, errs := runCommand(t, "dead-letters", "--data", t.TempDir())
	require.Equal(t, 2, code)
	require.Contains(t, errs, "There is no queue in")

	rabbit := testservers.NewRabbitMQ(t)
	t.Setenv("CAPTIONS_QUEUE_URL", rabbit.URL)
	code, _, errs = runCommand(t, "dead-letters")
	require.NotZero(t, code)
	require.Contains(t, errs, "consumer_timeout = ")

	bury(t, rabbit.URL+"?consumer_timeout=2h", "job")
	t.Setenv("CAPTIONS_QUEUE_URL", rabbit.URL+"?consumer_timeout=2h")
	t.Setenv("CAPTIONS_MAX_ATTEMPTS", "7")
	code, _, errs = runCommand(t, "dead-letters")
	require.NotZero(t, code)
	require.Contains(t, errs, "declared in another way")
	require.Contains(t, errs, "?queue=jobs-2")
}
