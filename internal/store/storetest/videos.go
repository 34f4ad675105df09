package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testVideo(t *testing.T, s Store) {
	v := caption.Video{
		ID: caption.NewID(), Owner: owner, Name: "Grüße \U0001F3AC.mp4", Size: 5 << 40, State: caption.VideoUploading,
		Created: day, Touched: day.Add(time.Minute), Key: "videos/x", MultipartID: "upload-1", PartSize: 16 << 20, Fingerprint: "size:name",
	}
	require.NoError(t, s.PutVideo(t.Context(), v))
	v.Version = 1
	got, err := s.Video(t.Context(), v.ID)
	require.NoError(t, err)
	requireEqual(t, v, got)

	v = caption.Video{ID: v.ID, Owner: owner, State: caption.VideoComplete, Size: 1, Created: day, Version: 1}
	require.NoError(t, s.PutVideo(t.Context(), v))
	v.Version = 2
	got, err = s.Video(t.Context(), v.ID)
	require.NoError(t, err)
	requireEqual(t, v, got)

	require.NoError(t, s.DeleteVideo(t.Context(), v))
	require.NoError(t, s.DeleteVideo(t.Context(), v), "an unknown id is no error")
	_, err = s.Video(t.Context(), v.ID)
	requireKind(t, caption.KindNotFound, err)
}

func testVideoConflict(t *testing.T, s Store) {
	v := caption.Video{ID: caption.NewID(), Owner: owner, State: caption.VideoUploading, Created: day, Touched: day}
	put := func(version int) error {
		v := v
		v.Version = version
		return s.PutVideo(t.Context(), v)
	}
	requireKind(t, caption.KindNotFound, put(1))
	require.NoError(t, put(0))
	requireKind(t, caption.KindPrecondition, put(0))
	requireKind(t, caption.KindPrecondition, put(2))
	require.NoError(t, put(1))
	for _, version := range []int{0, 1, 3} {
		v.Version = version
		requireKind(t, caption.KindPrecondition, s.DeleteVideo(t.Context(), v))
	}

	// Of those who start from the same version, one wins.
	const n = 20
	var won, deleted atomic.Int32
	errs := make([]error, n)
	together(n, func(i int) {
		v := v
		v.Version = 2
		var err error
		if i%2 == 0 {
			if err = s.PutVideo(t.Context(), v); err == nil {
				won.Add(1)
			}
		} else if err = s.DeleteVideo(t.Context(), v); err == nil {
			deleted.Add(1)
		}
		if kind := caption.KindOf(err); err != nil && kind != caption.KindPrecondition && kind != caption.KindNotFound {
			errs[i] = err
		}
	})
	require.NoError(t, errors.Join(errs...))
	got, err := s.Video(t.Context(), v.ID)
	if err == nil {
		require.EqualValues(t, 1, won.Load())
		require.Zero(t, deleted.Load())
		require.Equal(t, 3, got.Version)
	} else {
		requireKind(t, caption.KindNotFound, err)
		require.Zero(t, won.Load())
		require.Positive(t, deleted.Load())
	}
}

func testListVideos(t *testing.T, s Store) {
	var videos []caption.Video
	for i, v := range []caption.Video{
		{Owner: owner, State: caption.VideoUploading, Fingerprint: "f1"},
		{Owner: owner, State: caption.VideoComplete, Fingerprint: "f1"},
		{Owner: "owner-b", State: caption.VideoUploading, Fingerprint: "f1"},
		{Owner: owner, State: caption.VideoUploading},
	} {
		v.ID, v.Created, v.Touched = caption.NewID(), day.Add(time.Duration(i)*time.Second), day.Add(time.Duration(-i)*time.Hour)
		require.NoError(t, s.PutVideo(t.Context(), v))
		v.Version = 1
		videos = append(videos, v)
	}
	for _, c := range []struct {
		name string
		q    caption.VideoQuery
		want []int
	}{
		{"all, newest first", caption.VideoQuery{}, []int{3, 2, 1, 0}},
		{"limit", caption.VideoQuery{Limit: 2}, []int{3, 2}},
		{"owner", caption.VideoQuery{Owner: owner}, []int{3, 1, 0}},
		{"another owner", caption.VideoQuery{Owner: "owner-c"}, nil},
		{"unfinished upload of a file", caption.VideoQuery{Owner: owner, State: caption.VideoUploading, Fingerprint: "f1"}, []int{0}},
		{"stale uploads", caption.VideoQuery{State: caption.VideoUploading, TouchedBefore: day}, []int{3, 2}},
		{"stale uploads, before the border", caption.VideoQuery{TouchedBefore: day.Add(-3 * time.Hour)}, nil},
	} {
		got, err := s.ListVideos(t.Context(), c.q)
		require.NoError(t, err)
		require.Len(t, got, len(c.want), c.name)
		for i, k := range c.want {
			requireEqual(t, videos[k], got[i])
		}
	}
}
