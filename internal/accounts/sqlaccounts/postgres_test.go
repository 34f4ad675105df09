package sqlaccounts

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/accounts/accountstest"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/testservers"
)

// All tests share a server, because making one takes seconds; each has a database of its own.
func TestPostgres(t *testing.T) {
	server := testservers.NewPostgres(t)
	t.Run("conformance", func(t *testing.T) {
		if url := os.Getenv("POSTGRES_URL"); url != "" {
			postgresConformance(t, func(t testing.TB, name string) string { return databaseOf(t, url, name) })
			return
		}
		postgresConformance(t, server.NewDatabase)
	})
	for _, test := range []struct {
		name string
		run  func(t *testing.T, server *testservers.Postgres, url string)
	}{
		{"is set up as promised", setUpAsPromised},
		{"wrong settings end the start", wrongSettings},
		{"replicas migrate once", migratesOnce},
		{"statements may run twice", func(t *testing.T, _ *testservers.Postgres, url string) { statementsTwice(t, url) }},
		{"the pool is bounded", boundedPool},
		{"statement timeout", statementTimeout},
		{"a server that is read-only is left", readOnlyIsLeft},
		{"connections break", connectionsBreak},
		{"outages", outages},
		{"the process starts first", startsLater},
		{"TLS", overTLS},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, server, server.NewDatabase(t, "db_"+strings.ToLower(caption.NewID())))
		})
	}
}

// postgresConformance runs against the server of the tests, or against that of POSTGRES_URL, whose user must be allowed to
// create databases.
func postgresConformance(t *testing.T, newDatabase func(t testing.TB, name string) string) {
	var mu sync.Mutex
	urls := map[string]string{} // of each test
	accountstest.Run(t, func(t *testing.T) (accounts.Store, func()) {
		mu.Lock()
		defer mu.Unlock()
		if urls[t.Name()] == "" {
			urls[t.Name()] = newDatabase(t, fmt.Sprintf("test_%d_%s", len(urls), strings.ToLower(caption.NewID())))
		}
		s, err := Open(t.Context(), urls[t.Name()])
		require.NoError(t, err)
		closeStore := sync.OnceFunc(func() { require.NoError(t, s.Close()) })
		t.Cleanup(closeStore)
		return s, closeStore
	})
}

// databaseOf makes a database on the server of a URL, and drops it when the test ends.
func databaseOf(t testing.TB, serverURL, name string) string {
	t.Helper()
	run := func(ctx context.Context, statement string) {
		conn, err := pgx.Connect(ctx, serverURL)
		require.NoError(t, err)
		_, err = conn.Exec(ctx, statement+pgx.Identifier{name}.Sanitize())
		require.NoError(t, err)
		require.NoError(t, conn.Close(ctx))
	}
	run(t.Context(), "CREATE DATABASE ")
	t.Cleanup(func() { run(context.WithoutCancel(t.Context()), "DROP DATABASE ") })
	u, err := url.Parse(serverURL)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func TestPostgresURLs(t *testing.T) {
	const harmless = "postgres://app:hush%20hush@localhost:1/captions"
	for _, test := range []struct{ url, want string }{
		{"postgres:", "it must look like postgres://"},
		{"postgres://localhost", "it must look like"},
		{"postgres://app:hush hush@localhost/captions", "percent-encoded"},
		{"postgres://app:hush#hush@localhost/captions", "percent-encoded"},
		{"postgres://app:hush@localhost:port/captions", "it must look like"},
		{harmless + "?sslmode=quick", "sslmode is invalid"},
		{harmless + "?sslmode=verify-full&sslrootcert=/no/such/file", "unable to read CA file"},
		{harmless + "?connect_timeout=soon", "one of its parameters"},
		{harmless + "?pool_max_conns=0", "pool_max_conns"},
		{harmless + "?pool_max_conns=all", "pool_max_conns"},
		{harmless + "?a=%zz", "question mark"},
	} {
		_, err := Open(t.Context(), test.url)
		require.ErrorContains(t, err, test.want, test.url)
		require.Equal(t, caption.KindInvalid, caption.KindOf(err))
		require.NotContains(t, err.Error(), "hush")
	}
}

func setUpAsPromised(t *testing.T, _ *testservers.Postgres, url string) {
	s := open(t, url+"?pool_max_conns=2&work_mem=1234kB")
	for setting, want := range map[string]string{"statement_timeout": "5s", "application_name": "captions", "work_mem": "1234kB"} {
		var got string
		require.NoError(t, s.read.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&got))
		require.Equal(t, want, got, setting)
	}
	require.Equal(t, 2, s.read.Stats().MaxOpenConnections)

	s = open(t, url+"?statement_timeout=0")
	var got string
	require.NoError(t, s.read.QueryRowContext(t.Context(), "SHOW statement_timeout").Scan(&got))
	require.Equal(t, "0", got)
}

func wrongSettings(t *testing.T, server *testservers.Postgres, url string) {
	for _, test := range []struct{ from, to, want string }{
		{":secret@", ":hush@", "password authentication failed"},
		{"/captions", "/elsewhere", `database "elsewhere" does not exist`},
	} {
		_, err := Open(t.Context(), strings.Replace(server.URL, test.from, test.to, 1))
		require.ErrorContains(t, err, test.want)
		require.Equal(t, caption.KindInvalid, caption.KindOf(err))
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "hush")
	}

	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE USER guest PASSWORD 'hush'; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	_, err = Open(t.Context(), strings.Replace(url, "app:secret", "guest:hush", 1))
	require.ErrorContains(t, err, "create tables in the schema")
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
}

// Replicas that start at once migrate one after the other.
func migratesOnce(t *testing.T, _ *testservers.Postgres, url string) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if !s.migrated.Load() {
				t.Error("the schema is not up to date")
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()

	s := open(t, url)
	_, err := s.write.ExecContext(t.Context(), "INSERT INTO schema_migrations (version) VALUES (9999)")
	require.NoError(t, err)
	_, err = Open(t.Context(), url)
	require.ErrorContains(t, err, "newer than this program")
}

// Requests are told that the database is away, whatever way it went, and work again when it is back.
func outages(t *testing.T, server *testservers.Postgres, url string) {
	s := open(t, url)
	ann := accounts.User{ID: caption.NewID(), Email: "ann@example.org", PasswordHash: "h", Created: time.UnixMicro(1)}
	require.NoError(t, s.CreateUser(t.Context(), ann))
	requireAway := func(t *testing.T) {
		t.Helper()
		_, err := s.User(t.Context(), ann.ID)
		requireUnavailable(t, err)
		requireUnavailable(t, s.EndSession(t.Context(), "any"))
		_, err = s.Keys(t.Context())
		requireUnavailable(t, err)
		requireUnavailable(t, s.Ping(t.Context()))
	}
	requireBack := func(t *testing.T) {
		t.Helper()
		got, err := s.User(t.Context(), ann.ID)
		require.NoError(t, err)
		require.Equal(t, ann.Email, got.Email)
		require.NoError(t, s.Ping(t.Context()))
	}

	server.Kill()
	requireAway(t)
	require.NoError(t, server.Start(t.Context()))
	requireBack(t)
	server.Stop()
	requireAway(t)
	require.NoError(t, server.Start(t.Context()))
	requireBack(t)
	server.Suspend(true)
	_, err := s.User(t.Context(), ann.ID)
	requireUnavailable(t, err)
	server.Suspend(false)
	requireBack(t)
}

// A process may start before its database does.
func startsLater(t *testing.T, server *testservers.Postgres, url string) {
	server.Stop()
	s := open(t, url)
	requireUnavailable(t, s.Ping(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	require.NoError(t, s.Ping(t.Context()))
	keys, err := s.Keys(t.Context())
	require.NoError(t, err)
	require.Empty(t, keys)
}

// Connections that break, with or without their statement having run, are not noticed by users.
func connectionsBreak(t *testing.T, server *testservers.Postgres, url string) {
	proxy := testservers.NewProxy(t, server.Addr)
	s := open(t, strings.Replace(url, server.Addr, proxy.Addr, 1))
	// cut breaks all connections once, before, while or after f runs.
	cut := func(f func() error) {
		t.Helper()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Duration(mathrand.IntN(2000)) * time.Microsecond)
			proxy.Cut()
		})
		err := f()
		wg.Wait()
		require.NoError(t, err)
	}
	const users = 20
	for i := range users {
		u := accounts.User{ID: caption.NewID(), Email: fmt.Sprintf("user%d@example.org", i), PasswordHash: "old", Created: time.UnixMicro(1)}
		cut(func() error { return s.CreateUser(t.Context(), u) })
		cut(func() error { return s.ReplacePasswordHash(t.Context(), u.ID, "old", "new") })
		x := accounts.Session{ID: caption.NewID(), UserID: u.ID, Current: "first", Created: u.Created, Expires: time.Now()}
		cut(func() error { return s.CreateSession(t.Context(), x) })
		x.Current, x.Previous = "second", "first"
		cut(func() error { return s.RotateSession(t.Context(), x) })
		var got accounts.Session
		cut(func() (err error) { got, err = s.Session(t.Context(), x.ID); return err })
		require.Equal(t, "second", got.Current)
	}
	// Not straight from the pool: the last cut may have left it a broken connection.
	var n int
	require.NoError(t, s.call(t.Context(), "count users", s.read, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE password_hash = 'new'").Scan(&n)
	}))
	require.Equal(t, users, n)
}

// The answer to a statement that worked may be lost: then it runs again, and says that it worked.
func statementsTwice(t *testing.T, url string) {
	s := open(t, url)
	u := accounts.User{ID: caption.NewID(), Email: "ann@example.org", PasswordHash: "old", Created: time.UnixMicro(1)}
	x := accounts.Session{ID: caption.NewID(), UserID: u.ID, Current: "first", Created: u.Created, Expires: time.Now()}
	next := x
	next.Current, next.Previous = "second", "first"
	for range 2 {
		require.NoError(t, s.CreateUser(t.Context(), u))
	}
	for range 2 {
		require.NoError(t, s.ReplacePasswordHash(t.Context(), u.ID, "old", "new"))
	}
	for range 2 {
		require.NoError(t, s.CreateSession(t.Context(), x))
	}
	for range 2 {
		require.NoError(t, s.RotateSession(t.Context(), next))
	}
}

func TestStatementsMayRunTwice(t *testing.T) {
	statementsTwice(t, "sqlite:"+filepath.Join(t.TempDir(), "accounts.db"))
}

func boundedPool(t *testing.T, _ *testservers.Postgres, url string) {
	s := open(t, url+"?pool_max_conns=1")
	busy, err := s.read.Conn(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	requireUnavailable(t, s.Ping(ctx))
	require.NoError(t, busy.Close())
	require.NoError(t, s.Ping(t.Context()))
}

func statementTimeout(t *testing.T, _ *testservers.Postgres, url string) {
	s := open(t, url+"?statement_timeout=50")
	_, err := s.exec(t.Context(), "sleep", "SELECT pg_sleep($1)", 60)
	requireUnavailable(t, err)
}

// A former primary that takes no writes any more is left for the one that does.
func readOnlyIsLeft(t *testing.T, _ *testservers.Postgres, url string) {
	s := open(t, url)
	_, err := s.write.ExecContext(t.Context(), "SET default_transaction_read_only = on")
	require.NoError(t, err)
	require.NoError(t, s.CreateUser(t.Context(), accounts.User{ID: caption.NewID(), Email: "ann@example.org"}))
}

func overTLS(t *testing.T, server *testservers.Postgres, url string) {
	dir := t.TempDir()
	certificate, key := certify(t, dir, "server", "localhost")
	stranger, _ := certify(t, dir, "stranger", "localhost")
	server.Serve(t, map[string]string{"server.crt": certificate, "server.key": key}, "ssl = on")

	base := strings.Replace(url, "127.0.0.1", "localhost", 1)
	s := open(t, base+"?sslmode=verify-full&sslrootcert="+certificate)
	var tls bool
	require.NoError(t, s.read.QueryRowContext(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&tls))
	require.True(t, tls)

	_, err := Open(t.Context(), base+"?sslmode=verify-full&sslrootcert="+stranger)
	require.ErrorContains(t, err, "certificate is not accepted")
	require.Equal(t, caption.KindInvalid, caption.KindOf(err))
	_, err = Open(t.Context(), url+"?sslmode=verify-full&sslrootcert="+certificate)
	require.ErrorContains(t, err, "certificate is not accepted", "it is for localhost and not for 127.0.0.1")
}

// certify writes a certificate that signs itself, and its key.
func certify(t *testing.T, dir, file, host string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate, key = filepath.Join(dir, file+".crt"), filepath.Join(dir, file+".key")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certificate, key
}

func open(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, caption.KindUnavailable, caption.KindOf(err), "%v", err)
	require.NotContains(t, err.Error(), "secret")
}
