package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	partSize = 16 << 20
	parallel = 4 // as many as the platform's client sends at a time
)

// measureUpload sends one file through the platform by its client, and straight to a plain object store over the same
// disk, in turns. The first row counts until the last part was acknowledged. The second one includes completion, after which
// the platform has the object on the disk; a plain store leaves that to the kernel, so its file is synced for this row.
func measureUpload(ctx context.Context, l *lab) (rows []row, err error) {
	size := int64(1 << 30)
	if l.quick {
		size = 128 << 20
	}
	file := filepath.Join(l.dir, "large.bin")
	if err := randomFile(file, size); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, filepath.Join(l.dir, "upload-data"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	u, err := signUp(ctx, s.base, 0)
	if err != nil {
		return nil, err
	}
	o, err := startObjects(ctx, l.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.stop()) }()

	var platform, straight, platformWhole, straightWhole []time.Duration
	for round := range l.rounds() {
		settleDisk()
		start := time.Now()
		var parts time.Duration
		up, err := u.api.Upload(ctx, file, func(sent, total int64) {
			if sent == total {
				parts = time.Since(start)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("upload through the platform: %w", err)
		}
		platform, platformWhole = append(platform, parts), append(platformWhole, time.Since(start))
		if up.PartSize != partSize {
			return nil, fmt.Errorf("the platform chose parts of %d bytes; the peer sends %d", up.PartSize, partSize)
		}
		if err := u.remove(ctx, up.ID); err != nil {
			return nil, err
		}

		settleDisk()
		start = time.Now()
		if err := o.upload(ctx, file, "large", partSize, parallel, func() { parts = time.Since(start) }); err != nil {
			return nil, fmt.Errorf("upload straight: %w", err)
		}
		if err := syncFile(o.path("large")); err != nil {
			return nil, err
		}
		straight, straightWhole = append(straight, parts), append(straightWhole, time.Since(start))
		if err := o.remove(ctx, "large"); err != nil {
			return nil, err
		}
		l.logf("round %d: platform %s, straight %s; to the disk %s, straight %s", round+1, rate(size, platform[round]), rate(size, straight[round]),
			rate(size, platformWhole[round]), rate(size, straightWhole[round]))
	}
	what := fmt.Sprintf("%d MiB in parts of %d MiB", size>>20, partSize>>20)
	compared := func(what string, ours, theirs time.Duration) row {
		ratio := theirs.Seconds() / ours.Seconds()
		return row{what, "straight to versitygw: " + rate(size, theirs), "≥ 0.9 times as fast", fmt.Sprintf("%.2f times (%s)", ratio, rate(size, ours)), verdictOf(ratio >= 0.9)}
	}
	return []row{
		compared("upload of "+what, median(platform), median(straight)),
		compared("the same until the object is whole and on the disk", median(platformWhole), median(straightWhole)),
	}, nil
}

// syncFile waits until a file is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open object: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func rate(size int64, d time.Duration) string {
	return fmt.Sprintf("%.0f MiB/s", float64(size)/(1<<20)/d.Seconds())
}

// settleDisk lets one round's writing end before the next begins.
func settleDisk() { syscall.Sync() }

// randomFile writes bytes that no file system can compress. They are the same each time.
func randomFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(w, rand.NewChaCha8([32]byte{}), size)
	if err := errors.Join(err, w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// remove deletes an upload.
func (u *user) remove(ctx context.Context, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, u.api.Base+"/api/v1/uploads/"+id, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+u.session.token())
	res, err := u.api.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("delete upload: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // Only the status matters.
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("delete upload: %s", res.Status)
	}
	return nil
}
