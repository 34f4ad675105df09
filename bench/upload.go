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
// disk, in turns. Both ways include creating and completing the upload.
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
	u, err := s.signUp(ctx, 0)
	if err != nil {
		return nil, err
	}
	o, err := startObjects(ctx, l.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.stop()) }()

	var platform, straight []time.Duration
	for round := range l.rounds() {
		settleDisk()
		start := time.Now()
		up, err := u.api.Upload(ctx, file, nil)
		if err != nil {
			return nil, fmt.Errorf("upload through the platform: %w", err)
		}
		platform = append(platform, time.Since(start))
		if up.PartSize != partSize {
			return nil, fmt.Errorf("the platform chose parts of %d bytes; the peer sends %d", up.PartSize, partSize)
		}
		if err := u.remove(ctx, up.ID); err != nil {
			return nil, err
		}

		settleDisk()
		start = time.Now()
		if err := o.upload(ctx, file, "large", partSize, parallel); err != nil {
			return nil, fmt.Errorf("upload straight: %w", err)
		}
		straight = append(straight, time.Since(start))
		if err := o.remove(ctx, "large"); err != nil {
			return nil, err
		}
		l.logf("round %d: platform %s, straight %s", round+1, rate(size, platform[round]), rate(size, straight[round]))
	}
	ratio := median(straight).Seconds() / median(platform).Seconds()
	return []row{{
		fmt.Sprintf("upload of %d MiB in parts of %d MiB", size>>20, partSize>>20),
		"straight to versitygw: " + rate(size, median(straight)), "≥ 0.9 times as fast",
		fmt.Sprintf("%.2f times (%s)", ratio, rate(size, median(platform))), verdictOf(ratio >= 0.9),
	}}, nil
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
