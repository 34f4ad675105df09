package caption

import "time"

// Object is what the bucket holds under a key.
type Object struct {
	Key         string
	Size        int64 // bytes
	Modified    time.Time
	ContentType string // empty in lists, which do not tell it
}

// Part is one part of a multipart upload, as it has arrived in the bucket.
type Part struct {
	Number int // from 1
	Size   int64
	ETag   string // the bucket's own mark of the content; needed to complete the upload
}

// Multipart is an upload that was begun in the bucket, and was neither completed nor aborted.
type Multipart struct {
	Key     string
	ID      string
	Started time.Time
}

// PartURL says what an address for sending one part is to be good for.
type PartURL struct {
	Key, MultipartID string
	Number           int
	Size             int64         // exactly so many bytes
	Expires          time.Duration // from now
	// Origin is the scheme and host by which the client reached us, for example "https://captions.example.org". It
	// is used where the bucket has no public address of its own, because clients then reach it through our entry.
	Origin string
}

// MediaURL says what an address for reading one object is to be good for.
type MediaURL struct {
	Key         string
	Expires     time.Duration
	Origin      string // as in PartURL
	ContentType string // what the answer says that it is; empty: what was stored
	// FileName is the name under which a browser saves it; empty: none.
	FileName string
	// Attachment makes a browser save the object rather than show it.
	Attachment bool
}

// VideoPrefix is the prefix of the keys of all videos that were uploaded.
const VideoPrefix = "videos/"

// VideoKey is the key of a video.
func VideoKey(id string) string { return VideoPrefix + id }
