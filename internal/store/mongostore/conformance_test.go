package mongostore_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/store/mongostore"
	"k8s-scalers/internal/store/storetest"
	"k8s-scalers/internal/testservers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long something that must happen may take before a test gives up on it.
const patience = 60 * time.Second

var databases atomic.Int32

// newDatabase returns the URL of a new database. The server is that of MONGODB_URI (mongodb://user:password@host:port/?options),
// where that is set, and else a stand-in that runs until the test ends.
func newDatabase(t *testing.T, server *testservers.MongoDB) string {
	t.Helper()
	name := fmt.Sprintf("test%d_%s", databases.Add(1), caption.NewID()[:8])
	raw := os.Getenv("MONGODB_URI")
	if raw == "" {
		return server.URL(name)
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	u.Path = "/" + name
	t.Cleanup(func() {
		client, err := mongo.Connect(options.Client().ApplyURI(u.String()))
		require.NoError(t, err)
		ctx := context.WithoutCancel(t.Context()) // It has ended.
		require.NoError(t, client.Database(name).Drop(ctx))
		require.NoError(t, client.Disconnect(ctx))
	})
	return u.String()
}

// newServer starts the stand-in, unless there is a real server.
func newServer(t *testing.T) *testservers.MongoDB {
	t.Helper()
	if os.Getenv("MONGODB_URI") != "" {
		return nil
	}
	return testservers.NewMongoDB(t)
}

// hostOf returns the host and port in a URL.
func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return u.Host
}

// through returns the URL by way of another address.
func through(rawURL, host, addr string) string {
	rawURL = strings.Replace(rawURL, host, addr, 1)
	if !strings.Contains(rawURL, "?") {
		rawURL += "?"
	}
	return rawURL + "&directConnection=true" // A replica set would name the members' own addresses.
}

func open(t *testing.T, cfg mongostore.Config) *mongostore.Store {
	t.Helper()
	s, err := mongostore.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	server := newServer(t)
	storetest.Run(t, func(t *testing.T) func(*testing.T) storetest.Store {
		at := newDatabase(t, server)
		return func(t *testing.T) storetest.Store {
			// The machine may be slow at so many tests at a time, and the stand-in does one thing after the other.
			return open(t, mongostore.Config{URL: at, Timeout: time.Minute})
		}
	})
}
