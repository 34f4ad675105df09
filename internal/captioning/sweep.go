package captioning

import (
	"context"
	"time"

	"k8s-scalers/internal/caption"
)

const (
	sweepEvery = 5 * time.Second
	// patience is how long a request may take between storing a job and recording that the queue has it.
	patience   = 10 * time.Second
	sweepBatch = 100
	// deadBatch is how many dead letters are looked at: they stay until an operator retries or drops them.
	deadBatch = 1000
)

// Run publishes jobs whose first task the queue never confirmed, and fails the jobs of dead letters. It returns when
// ctx ends. Several replicas may run it: all it does is idempotent.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		s.republish(ctx)
		s.failDead(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (s *Service) republish(ctx context.Context) {
	jobs, err := s.Lists.NotEnqueued(ctx, s.Now().Add(-patience), sweepBatch)
	if err != nil {
		s.sweepFailed(ctx, "find jobs that were not published", err)
		return
	}
	for _, j := range jobs {
		if _, err := s.enqueue(ctx, j); err != nil {
			s.sweepFailed(ctx, "publish a job again", err)
			return // The queue is away: the others would fail, too.
		}
		s.republished.Inc()
		s.Logger.InfoContext(ctx, "job published again", "job_id", j.ID)
	}
}

// failDead fails the jobs whose task was given up, for example because it killed its worker each time.
func (s *Service) failDead(ctx context.Context) {
	dead, err := s.DeadLetters.DeadLetters(ctx, deadBatch)
	if err != nil {
		s.sweepFailed(ctx, "read dead letters", err)
		return
	}
	for _, d := range dead {
		if s.buried[d.ID] {
			continue
		}
		var failed bool
		j, err := s.Jobs.UpdateJob(ctx, d.Task.JobID, func(j *caption.Job) error {
			failed = false
			if j.State.Ended() || j.Run != d.Task.Run {
				return caption.ErrUnchanged
			}
			j.State, j.Finished = caption.Failed, s.Now()
			j.Reason = &caption.Reason{Code: "gave_up", Message: "Captioning this video failed several times. Retry it; if it fails again, the file may be damaged."}
			failed = true
			return nil
		})
		if err != nil && caption.KindOf(err) != caption.KindNotFound {
			s.sweepFailed(ctx, "fail the job of a dead letter", err)
			continue
		}
		s.buried[d.ID] = true
		if failed {
			s.publish(ctx, j)
		}
	}
}

func (s *Service) sweepFailed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "the sweep will try again", "doing", what, "error", err)
	}
}
