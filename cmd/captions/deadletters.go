package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
)

type deadLettersCmd struct {
	List  deadListCmd  `cmd:"" default:"withargs" help:"List the tasks that were given up, the oldest first."`
	Retry deadRetryCmd `cmd:"" help:"Put tasks back on the queue, as if they were new."`
	Drop  deadDropCmd  `cmd:"" help:"Remove tasks for good. Their jobs stay failed until their owners retry them."`
}

// Help implements kong.HelpProvider.
func (deadLettersCmd) Help() string {
	return `A task that failed as often as MAX_ATTEMPTS says becomes a dead letter, and its job fails. Retry its job rather than the task
where you can: that does what is missing, and the owner sees it. A task whose job has ended does nothing when it is retried.

The queue is that of CAPTIONS_QUEUE_URL (RabbitMQ), else that in the data folder of captions serve.

Examples:
  captions dead-letters
  captions dead-letters list --json | jq -r '.[].id'
  captions dead-letters retry 7h3kq2
  captions dead-letters drop --all`
}

// deadQueue says which queue is meant.
type deadQueue struct {
	Data string `help:"The data folder of captions serve. Default: as for captions serve." placeholder:"DIR" type:"path"`
}

// open opens the queue and keeps its connection until close.
func (d deadQueue) open(e *env) (q backend.TaskQueue, closed func(), err error) {
	unlock := func() {}
	var s config.DeadLetters
	if err := config.Load(&s); err != nil {
		return nil, nil, err
	}
	if s.QueueURL == "" || d.Data != "" {
		if d.Data != "" {
			s.DataDir = d.Data
		}
		if err := s.Normalise(); err != nil {
			return nil, nil, err
		}
		path, err := filepath.Abs(filepath.Join(s.DataDir, "queue.db"))
		if err != nil {
			return nil, nil, fmt.Errorf("data folder: %w", err)
		}
		if _, err := os.Stat(path); err != nil {
			return nil, nil, usage("There is no queue in %s. Name the data folder of captions serve with --data, or set CAPTIONS_QUEUE_URL to the URL of RabbitMQ.", s.DataDir)
		}
		// A second process that opens the queue would take the first for dead, and its tasks away from it.
		lock, err := lockData(s.DataDir)
		if err != nil {
			return nil, nil, err
		}
		unlock = func() { _ = lock.Close() } // Nothing was written.
		s.QueueURL = "sqlite:" + path
	}
	if q, err = backend.OpenQueue(e.ctx, s.QueueURL, backend.QueueOptions{Visibility: s.Visibility, MaxAttempts: s.MaxAttempts}); err != nil {
		unlock()
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(e.ctx)
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	closed = func() {
		stop()
		<-ended       //nolint:errcheck // It was stopped; what it had to say was said before.
		_ = q.Close() // Nothing is held.
		unlock()
	}
	// A fault that somebody must mend is told by the end of Run; without one the queue is there soon.
	if p, ok := q.(backend.Pinger); ok {
		there := make(chan error, 1)
		go func() { there <- p.Ping(ctx) }()
		select {
		case err = <-there:
		case err = <-ended:
			ended <- nil
		}
		if err != nil {
			closed()
			return nil, nil, err
		}
	}
	return q, closed, nil
}

// most is how many dead letters are looked at.
const most = 10_000

type deadListCmd struct {
	deadQueue
	JSON  bool `help:"Write JSON."`
	Limit int  `help:"How many at most." default:"100"`
}

// deadView is a dead letter in JSON.
type deadView struct {
	ID       string       `json:"id"`
	Task     caption.Task `json:"task"`
	Attempts int          `json:"attempts"`
	Cause    string       `json:"cause"`
	Died     time.Time    `json:"died"`
}

func (c deadListCmd) Run(e *env) error {
	if c.Limit < 1 || c.Limit > most {
		return usage("--limit is from 1 to %d.", most)
	}
	q, closed, err := c.open(e)
	if err != nil {
		return err
	}
	defer closed()
	dead, err := q.DeadLetters(e.ctx, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		views := make([]deadView, len(dead))
		for i, d := range dead {
			views[i] = deadView(d)
		}
		out := json.NewEncoder(e.stdout)
		out.SetIndent("", "  ")
		return out.Encode(views)
	}
	if len(dead) == 0 {
		fmt.Fprintln(e.stderr, "There are no dead letters.")
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tDIED\tJOB\tTASK\tATTEMPTS\tCAUSE")
	for _, d := range dead {
		task := string(d.Task.Kind)
		if d.Task.Kind == caption.Transcribe {
			task = fmt.Sprintf("%s %d", task, d.Task.Segment)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%.80q\n", d.ID, d.Died.Local().Format("2006-01-02 15:04"), d.Task.JobID, task, d.Attempts, d.Cause)
	}
	return w.Flush()
}

// deadChoice are the dead letters that a command is about.
type deadChoice struct {
	deadQueue
	All bool     `help:"All of them."`
	IDs []string `arg:"" optional:"" name:"id" help:"As listed."`
}

// each does something with each of them; what fails is reported, and the others go on.
func (c deadChoice) each(e *env, done string, do func(q backend.TaskQueue, id string) error) error {
	if c.All == (len(c.IDs) > 0) {
		return usage("Name the dead letters, or all of them by --all. captions dead-letters lists them.")
	}
	q, closed, err := c.open(e)
	if err != nil {
		return err
	}
	defer closed()
	if c.All {
		dead, err := q.DeadLetters(e.ctx, most)
		if err != nil {
			return err
		}
		for _, d := range dead {
			c.IDs = append(c.IDs, d.ID)
		}
	}
	var failed error
	for _, id := range c.IDs {
		switch err := do(q, id); {
		case err == nil:
			fmt.Fprintf(e.stdout, "%s: %s\n", id, done)
		case caption.KindOf(err) == caption.KindNotFound:
			failed = errReported
			fmt.Fprintf(e.stderr, "%s: there is no such dead letter\n", id)
		default:
			failed = errReported
			fmt.Fprintf(e.stderr, "%s: %s\n", id, userText(err))
		}
	}
	return failed
}

type deadRetryCmd struct{ deadChoice }

func (c deadRetryCmd) Run(e *env) error {
	return c.each(e, "back on the queue", func(q backend.TaskQueue, id string) error { return q.RetryDeadLetter(e.ctx, id) })
}

type deadDropCmd struct{ deadChoice }

func (c deadDropCmd) Run(e *env) error {
	return c.each(e, "dropped", func(q backend.TaskQueue, id string) error { return q.DropDeadLetter(e.ctx, id) })
}
