package caption

import (
	"context"
	"time"
)

// VideoState is where an upload stands.
type VideoState string

// The states of a video.
const (
	VideoUploading VideoState = "uploading" // parts may be sent
	VideoComplete  VideoState = "complete"  // the object is whole in the bucket
)

// Video is a file that a user uploads, from the moment that the upload is created.
type Video struct {
	ID      string
	Owner   string // user id
	Name    string // the file's name at the client, for display only
	Size    int64  // bytes; what the client announced, and after completion what the bucket holds
	State   VideoState
	Created time.Time
	// Touched is when the client last asked for part URLs or completed; the reaper of stale uploads goes by it.
	Touched time.Time

	Key         string // object key in the bucket
	MultipartID string // S3 upload id
	PartSize    int64  // bytes; every part but the last has this size
	// Fingerprint is the client's own mark of the file, by which it finds an unfinished upload again; may be empty.
	Fingerprint string
	// Version grows by one with each stored change, from 1.
	Version int
}

// Videos stores videos. Implementations are safe for concurrent use. Errors: [KindNotFound] for an unknown id.
type Videos interface {
	// PutVideo stores v with the version v.Version+1 if the stored version is v.Version (0: there is none). Else
	// [KindPrecondition]: somebody has changed it since v was read.
	PutVideo(ctx context.Context, v Video) error
	Video(ctx context.Context, id string) (Video, error)
	// ListVideos returns videos that match q, newest first.
	ListVideos(ctx context.Context, q VideoQuery) ([]Video, error)
	// DeleteVideo removes the record if its version is v.Version; else [KindPrecondition]. An unknown id is no error.
	DeleteVideo(ctx context.Context, v Video) error
}

// VideoReader is the part of [Videos] that caption-service and the workers need.
type VideoReader interface {
	Video(ctx context.Context, id string) (Video, error)
}

// VideoQuery selects videos; a zero field does not restrict.
type VideoQuery struct {
	Owner         string
	State         VideoState
	Fingerprint   string
	TouchedBefore time.Time
	Limit         int // 0 means no limit
}
