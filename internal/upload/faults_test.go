package upload_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/upload"
)

// endOfSweep ends a sweep after its last step, the list of uploads.
type endOfSweep struct {
	upload.Bucket

	done func()
}

func (b *endOfSweep) ListMultiparts(ctx context.Context, prefix string) iter.Seq2[caption.Multipart, error] {
	return func(yield func(caption.Multipart, error) bool) {
		defer b.done()
		for m, err := range b.Bucket.ListMultiparts(ctx, prefix) {
			if !yield(m, err) {
				return
			}
		}
	}
}

// failing fails to remove some keys.
type failing struct {
	upload.Bucket

	key atomic.Pointer[string]
}

var errBroken = errors.New("broken on purpose")

func (b *failing) AbortMultipart(ctx context.Context, key, id string) error {
	if k := b.key.Load(); k != nil && *k == key {
		return errBroken
	}
	return b.Bucket.AbortMultipart(ctx, key, id)
}

// mute is a store that writes, but as often as it is told gives no answer.
type mute struct {
	caption.Videos

	times atomic.Int32
}

func (v *mute) PutVideo(ctx context.Context, video caption.Video) error {
	err := v.Videos.PutVideo(ctx, video)
	if err == nil && v.times.Add(-1) >= 0 {
		return caption.Errorf(caption.KindUnavailable, "no answer")
	}
	return err
}

// forgetful is a store that fails to write as often as it is told, like a process that is killed before it does.
type forgetful struct {
	caption.Videos

	lose atomic.Int32
}

func (v *forgetful) PutVideo(ctx context.Context, video caption.Video) error {
	if v.lose.Add(-1) >= 0 {
		return errBroken
	}
	return v.Videos.PutVideo(ctx, video)
}

// overtaken lets somebody else do something right before its next write, as another replica may.
type overtaken struct {
	caption.Videos

	by atomic.Pointer[func()]
}

func (v *overtaken) overtake() {
	if by := v.by.Swap(nil); by != nil {
		(*by)()
	}
}

func (v *overtaken) PutVideo(ctx context.Context, video caption.Video) error {
	v.overtake()
	return v.Videos.PutVideo(ctx, video)
}

func (v *overtaken) DeleteVideo(ctx context.Context, video caption.Video) error {
	v.overtake()
	return v.Videos.DeleteVideo(ctx, video)
}
