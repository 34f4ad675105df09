package mongostore_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/store/mongostore"
	"k8s-scalers/internal/testservers"
)

// calls makes one call of each kind.
func calls(ctx context.Context, s *mongostore.Store, j caption.Job) map[string]error {
	_, _, created := s.CreateJob(ctx, newJob("talk"), "key")
	_, read := s.Job(ctx, j.ID)
	_, updated := s.UpdateJob(ctx, j.ID, func(j *caption.Job) error { j.Run++; return nil })
	_, _, saved := s.SaveSegment(ctx, j.ID, result(0))
	_, listed := s.ListJobs(ctx, caption.JobQuery{Owner: owner, Text: "talk", Limit: 1})
	_, counted := s.CountJobs(ctx, owner)
	_, transcribed := s.SaveTranscript(ctx, transcript(j.ID, "words"))
	return map[string]error{
		"create": created, "read": read, "update": updated, "save": saved, "list": listed, "count": counted, "transcript": transcribed,
		"delete": s.DeleteJob(ctx, j.ID), "video": s.PutVideo(ctx, caption.Video{ID: j.ID}), "ping": s.Ping(ctx),
	}
}

func requireUnavailable(ctx context.Context, t *testing.T, s *mongostore.Store, j caption.Job) {
	t.Helper()
	for name, err := range calls(ctx, s, j) {
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%s: %v", name, err)
		require.Equal(t, "store_unavailable", caption.CodeOf(err), name)
	}
}

func requireUp(t *testing.T, s *mongostore.Store) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Ping(t.Context()) == nil }, patience, 10*time.Millisecond)
}

// TestOutage cuts a process off from the server, lets the server hang, and starts a process before the server.
func TestOutage(t *testing.T) {
	at := newDatabase(t, newServer(t))
	host := hostOf(t, at)
	proxy := testservers.NewProxy(t, host)
	proxy.Refuse(true)
	s := open(t, mongostore.Config{URL: through(at, host, proxy.Addr), Timeout: 500 * time.Millisecond})
	requireUnavailable(t.Context(), t, s, newJob(""))
	proxy.Refuse(false)
	requireUp(t, s)
	j := create(t, s, "talk")

	for name, outage := range map[string]func(on bool){"refused": proxy.Refuse, "hanging": proxy.Stall} {
		outage(true)
		requireUnavailable(t.Context(), t, s, j)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		requireUnavailable(ctx, t, s, j)
		cancel()
		outage(false)
		proxy.Cut() // What was swallowed is never answered.
		requireUp(t, s)
		got, err := s.Job(t.Context(), j.ID)
		require.NoError(t, err, name)
		require.Equal(t, j, got, name)
	}
	for name, err := range calls(t.Context(), s, j) {
		require.NoError(t, err, name)
	}
}

// TestConnectionsLost has many read while connections break: what the driver says of those that wait for one is an outage, too.
func TestConnectionsLost(t *testing.T) {
	at := newDatabase(t, newServer(t))
	host := hostOf(t, at)
	proxy := testservers.NewProxy(t, host)
	s := open(t, mongostore.Config{URL: through(at, host, proxy.Addr), Timeout: 500 * time.Millisecond})
	requireUp(t, s)
	j := create(t, s, "talk")
	var readers sync.WaitGroup
	stop := make(chan struct{})
	failed := make(chan error, 1)
	for range 32 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := s.Job(t.Context(), j.ID)
				if err != nil && caption.CodeOf(err) != "store_unavailable" {
					select {
					case failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	for range 20 {
		proxy.Stall(true)
		time.Sleep(50 * time.Millisecond)
		proxy.Stall(false)
		proxy.Cut()
		time.Sleep(50 * time.Millisecond)
	}
	close(stop)
	readers.Wait()
	close(failed)
	require.NoError(t, <-failed)
	requireUp(t, s)
}

// TestKill kills the server while jobs are created: what was acknowledged is there afterwards.
func TestKill(t *testing.T) {
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("the server of MONGODB_URI is not ours to kill")
	}
	server := testservers.NewMongoDB(t)
	s := open(t, mongostore.Config{URL: newDatabase(t, server), Timeout: 2 * time.Second})
	requireUp(t, s)
	for range 3 {
		var stored []caption.Job
		var wg sync.WaitGroup
		begun := make(chan struct{})
		wg.Go(func() {
			for i := 0; ; i++ {
				j, _, err := s.CreateJob(t.Context(), newJob("talk"), "")
				if err == nil {
					_, _, err = s.SaveSegment(t.Context(), j.ID, result(0))
				}
				if err != nil {
					return
				}
				stored = append(stored, j)
				if i == 5 {
					close(begun)
				}
			}
		})
		<-begun
		server.Kill()
		wg.Wait()
		require.NoError(t, server.Start(t.Context()))
		requireUp(t, s)
		for _, j := range stored {
			j.Done, j.Seq = 1, 2
			got, err := s.Job(t.Context(), j.ID)
			require.NoError(t, err)
			j.Updated = got.Updated
			require.Equal(t, j, got)
			segments, err := s.Segments(t.Context(), j.ID, 0)
			require.NoError(t, err)
			require.Len(t, segments, 1)
		}
	}
}

// TestTooLong stores what does not fit into a document, even packed.
func TestTooLong(t *testing.T) {
	s := open(t, mongostore.Config{URL: newDatabase(t, newServer(t)), Timeout: time.Minute})
	j := create(t, s, "talk")
	noise := make([]byte, 18<<20)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	r, text := result(0), base64.StdEncoding.EncodeToString(noise)
	r.Words[0].Text = text
	_, _, err = s.SaveSegment(t.Context(), j.ID, r)
	requireKind(t, caption.KindTooLarge, err)
	_, err = s.SaveTranscript(t.Context(), transcript(j.ID, text))
	requireKind(t, caption.KindTooLarge, err)
	got, err := s.Job(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, j, got)
}

// TestCancelledWrite shows that a write that has begun ends, whatever becomes of who asked for it.
func TestCancelledWrite(t *testing.T) {
	at := newDatabase(t, newServer(t))
	host := hostOf(t, at)
	proxy := testservers.NewProxy(t, host)
	s := open(t, mongostore.Config{URL: through(at, host, proxy.Addr), Timeout: 2 * time.Second})
	requireUp(t, s)
	proxy.Stall(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	err := s.PutVideo(ctx, caption.Video{ID: caption.NewID()})
	require.GreaterOrEqual(t, time.Since(start), 2*time.Second)
	require.Error(t, err)
}

func TestURL(t *testing.T) {
	for raw, says := range map[string]string{
		"":                                    "",
		"sqlite:/data/captions.db":            "",
		"mongodb://host:27017":                "",
		"mongodb://host:27017/":               "",
		"mongodb://host:27017/a b":            "",
		"mongodb://user:secret@host:x/db":     "",
		"mongodb://host/db?tls=maybe":         "tls",
		"mongodb://host/db?authSource=":       "authSource",
		"mongodb://user:sec%zzret@host:27/db": "",
	} {
		_, err := mongostore.New(mongostore.Config{URL: raw})
		requireKind(t, caption.KindInvalid, err)
		require.Equal(t, "bad_settings", caption.CodeOf(err), raw)
		require.ErrorContains(t, err, "mongodb://user:password@host:27017/captions", raw)
		require.ErrorContains(t, err, says, raw)
		require.NotContains(t, fmt.Sprintf("%+v", err), "sec", raw)
	}
	s := open(t, mongostore.Config{URL: "mongodb://user:secret@one:1,two:2,three/captions?replicaSet=rs&tls=true"})
	require.NotNil(t, s)
}
