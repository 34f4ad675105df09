package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"k8s-scalers/internal/caption"
)

// Upload is an upload as the client needs it.
type Upload struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	State     string `json:"state"`
	PartSize  int64  `json:"part_size"`
	PartCount int    `json:"part_count"`
	Parts     []struct {
		Number int   `json:"number"`
		Size   int64 `json:"size"`
	} `json:"parts"`
}

const (
	parallelParts = 4
	partAttempts  = 6
)

// Upload sends a file and returns the completed upload. A file that was sent in part before goes on where it stopped; where the
// storage has lost that part, it is sent anew. progress, which may be nil, is called with the bytes sent so far, from several goroutines.
func (c *Client) Upload(ctx context.Context, path string, progress func(sent, total int64)) (Upload, error) {
	up, err := c.upload(ctx, path, progress)
	if caption.CodeOf(err) != "upload_lost" {
		return up, err
	}
	if err := c.DeleteUpload(ctx, up.ID); err != nil {
		return up, err
	}
	return c.upload(ctx, path, progress)
}

func (c *Client) upload(ctx context.Context, path string, progress func(sent, total int64)) (Upload, error) {
	f, err := os.Open(path)
	if err != nil {
		return Upload{}, fileError(path, err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	st, err := f.Stat()
	if err != nil {
		return Upload{}, fileError(path, err)
	}
	if !st.Mode().IsRegular() {
		return Upload{}, caption.Errorf(caption.KindInvalid, "%s is not a file.", path)
	}
	up, err := c.startUpload(ctx, path, st)
	if err != nil {
		return up, err
	}
	have := map[int]bool{}
	var sent atomic.Int64
	for _, p := range up.Parts {
		have[p.Number] = true
		sent.Add(p.Size)
	}
	report := func(n int64) {
		if total := sent.Add(n); progress != nil {
			progress(total, up.Size)
		}
	}
	report(0)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelParts)
	for n := 1; n <= up.PartCount; n++ {
		if have[n] {
			continue
		}
		off := int64(n-1) * up.PartSize
		part := io.NewSectionReader(f, off, min(up.PartSize, up.Size-off))
		g.Go(func() error { return c.sendPart(gctx, up.ID, n, part, report) })
	}
	if err := g.Wait(); err != nil {
		return up, err
	}
	err = c.do(ctx, request{method: "POST", path: "/api/v1/uploads/" + up.ID + "/complete", body: struct{}{}}, &up)
	return up, err
}

// DeleteUpload aborts an upload, or deletes the video.
func (c *Client) DeleteUpload(ctx context.Context, id string) error {
	return c.do(ctx, request{method: "DELETE", path: "/api/v1/uploads/" + url.PathEscape(id)}, nil)
}

// startUpload finds the unfinished upload of this very file, or creates one.
func (c *Client) startUpload(ctx context.Context, path string, st os.FileInfo) (Upload, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Upload{}, fileError(path, err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", abs, st.Size(), st.ModTime().UnixNano()))
	mark := hex.EncodeToString(sum[:])
	var found struct {
		Uploads []Upload `json:"uploads"`
	}
	q := url.Values{"state": {"uploading"}, "fingerprint": {mark}}
	if err := c.do(ctx, request{method: "GET", path: "/api/v1/uploads?" + q.Encode()}, &found); err != nil {
		return Upload{}, err
	}
	var up Upload
	if len(found.Uploads) > 0 { // the list does not say which parts have arrived
		err = c.do(ctx, request{method: "GET", path: "/api/v1/uploads/" + found.Uploads[0].ID}, &up)
		return up, err
	}
	err = c.do(ctx, request{method: "POST", path: "/api/v1/uploads",
		body: map[string]any{"name": filepath.Base(path), "size": st.Size(), "fingerprint": mark}}, &up)
	return up, err
}

// sendPart sends one part, several times if need be, each time by a fresh URL.
func (c *Client) sendPart(ctx context.Context, id string, n int, part *io.SectionReader, report func(int64)) error {
	var err error
	for try := range partAttempts {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(200 * time.Millisecond << try):
			}
		}
		var signed struct {
			Parts []struct {
				URL string `json:"url"`
			} `json:"parts"`
		}
		err = c.do(ctx, request{method: "POST", path: "/api/v1/uploads/" + id + "/parts", body: map[string][]int{"numbers": {n}}}, &signed)
		if err == nil && len(signed.Parts) != 1 {
			return fmt.Errorf("the server signed %d URLs for one part", len(signed.Parts))
		}
		if err == nil {
			err = c.put(ctx, signed.Parts[0].URL, part, report)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if k := caption.KindOf(err); k != caption.KindUnavailable && k != caption.KindRateLimited && k != caption.KindInternal {
			return err
		}
	}
	return fmt.Errorf("part %d could not be sent: %w", n, err)
}

func (c *Client) put(ctx context.Context, to string, part *io.SectionReader, report func(int64)) error {
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	stall := c.Stall
	if stall == 0 {
		stall = time.Minute
	}
	stalled := time.AfterFunc(stall, cancel)
	defer stalled.Stop()
	body := &countingReader{r: part, report: func(n int64) { stalled.Reset(stall); report(n) }}
	r, err := http.NewRequestWithContext(sending, http.MethodPut, to, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.ContentLength = part.Size()
	res, err := c.http().Do(r)
	if err == nil {
		defer func() { _ = res.Body.Close() }() // It was only read.
		if res.StatusCode < 300 {
			return nil
		}
		msg, _ := io.ReadAll(io.LimitReader(res.Body, 2<<10)) // What could be read is enough to say something.
		err = fmt.Errorf("%s: %s", res.Status, msg)
	}
	report(-body.n)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return caption.Errorf(caption.KindUnavailable, "A part of the file could not be stored. Try again; what was sent is kept.").WithCause(err)
}

type countingReader struct {
	r      io.Reader
	n      int64
	report func(int64)
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.report(int64(n))
	return n, err
}

func fileError(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return caption.Errorf(caption.KindInvalid, "%s does not exist.", path)
	case errors.Is(err, os.ErrPermission):
		return caption.Errorf(caption.KindInvalid, "%s may not be read: its permissions forbid it.", path)
	}
	return caption.Errorf(caption.KindInvalid, "%s cannot be read: %v.", path, err).WithCause(err)
}
