package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/client"
)

// runJobs starts the jobs and waits for their ends. ctx stops the starting and the waiting; work ends what is in flight.
func runJobs(ctx, work context.Context, p Plan, r *recorder) error {
	dir, err := os.MkdirTemp("", "captions-load-")
	if err != nil {
		return fmt.Errorf("make a folder for the uploads: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // It lies in the folder of temporary files.
	var all sync.WaitGroup
	// Jobs may end for as long as the user waits, at most until Drain after the last one.
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	began := time.Now()
	for n := uint64(0); ; n++ {
		due, more := p.JobCurve.Due(n)
		if !more || !wait(ctx, began.Add(due)) {
			break
		}
		r.jobs.start()
		j := job{Plan: p, user: p.Users[n%uint64(len(p.Users))], clip: p.Clips[n%uint64(len(p.Clips))],
			path: filepath.Join(dir, fmt.Sprintf("load-%d", n+1)), due: began.Add(due)}
		all.Go(func() { j.run(waiting, work, r) })
	}
	r.jobs.stopped()
	defer time.AfterFunc(p.Drain, stop).Stop()
	all.Wait()
	return nil
}

// job is one job of the load.
type job struct {
	Plan
	user *client.Client
	clip string
	path string // of a link to the clip
	due  time.Time
}

func (j job) run(waiting, work context.Context, r *recorder) {
	// A client that sends a file of the same name again continues the upload; here each upload is one of its own.
	j.path += filepath.Ext(j.clip)
	file, err := filepath.Abs(j.clip)
	if err == nil {
		err = os.Symlink(file, j.path)
	}
	if err != nil {
		r.jobs.failed("link: " + lastPart(err.Error()))
		return
	}
	up, err := j.user.Upload(work, j.path, nil)
	if up.ID != "" && !j.Keep {
		defer j.clean(r, func(ctx context.Context) error { return j.user.DeleteUpload(ctx, up.ID) })
	}
	if err != nil {
		j.notAccepted(work, r, "upload: ", err)
		return
	}
	asked := time.Now()
	job, err := j.user.Caption(work, up.ID, caption.NewID(), j.Options)
	if err != nil {
		j.notAccepted(work, r, "captions: ", err)
		return
	}
	accepted := time.Now()
	r.jobs.accept(asked.Sub(j.due))
	if !j.Keep {
		defer j.clean(r, func(ctx context.Context) error { return j.user.DeleteJob(ctx, job.ID) })
	}
	begun := false
	last, err := j.user.Follow(waiting, job.ID, func(m captioning.Message) {
		if !begun && m.Job.State != caption.Queued {
			begun = true
			r.jobs.begin(time.Since(accepted))
		}
	})
	switch {
	case last.State == caption.Processed:
		r.jobs.processed(time.Since(accepted), last.Duration)
	case last.State.Ended():
		why := string(last.State)
		if last.Reason != nil {
			why += ": " + last.Reason.Code
		}
		r.jobs.failed(why)
	case waiting.Err() != nil:
		r.jobs.unfinished()
	default:
		r.jobs.failed("follow: " + reason(err))
	}
}

// notAccepted counts a job that did not come to be: as failed, unless it was given up because the load stopped.
func (job) notAccepted(work context.Context, r *recorder, stage string, err error) {
	if work.Err() != nil {
		r.jobs.unfinished()
		return
	}
	r.jobs.failed(stage + reason(err))
}

// clean deletes what a job has left at the server, after an interruption, too.
func (job) clean(r *recorder, remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := remove(ctx); err != nil && caption.KindOf(err) != caption.KindNotFound {
		r.fault("clean-up: " + reason(err))
	}
}
