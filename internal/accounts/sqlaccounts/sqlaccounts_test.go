package sqlaccounts

import (
	"context"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/accounts/accountstest"
	"k8s-scalers/internal/caption"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformanceSQLite(t *testing.T) {
	folders := sync.Map{} // of each test
	accountstest.Run(t, func(t *testing.T) (accounts.Store, func()) {
		folder, ok := folders.Load(t.Name())
		if !ok {
			folder = t.TempDir()
			folders.Store(t.Name(), folder)
		}
		s, err := Open(t.Context(), "sqlite:"+filepath.Join(folder.(string), "accounts.db"))
		require.NoError(t, err)
		closeStore := sync.OnceFunc(func() { require.NoError(t, s.Close()) })
		t.Cleanup(closeStore)
		return s, closeStore
	})
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	require.NoError(t, c.Close())
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"", "not supported"},
		{"sqlite:", "sqlite:/absolute/path.db"},
		{"sqlite:relative.db", "sqlite:/absolute/path.db"},
		{"mysql://root:secret@host/db", "not supported"},
		{"sqlite:" + filepath.Join(t.TempDir(), "missing", "accounts.db"), "no such file"},
		{"sqlite:" + t.TempDir(), "is a directory"},
	} {
		_, err := Open(t.Context(), test.url)
		require.ErrorContains(t, err, test.want)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	require.NoError(t, os.WriteFile(path, []byte("this is a letter and not a database, and long enough to be looked at"), 0o600))
	_, err := Open(t.Context(), "sqlite:"+path)
	require.ErrorContains(t, err, "not a database")
}

// An odd path must be taken literally: "?" and "%" mean something in the driver's own addresses.
func TestOddPathAndPermissions(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "what? 50%25 #1 ü")
	require.NoError(t, os.Mkdir(folder, 0o700))
	path := filepath.Join(folder, "accounts.db")
	s, err := Open(t.Context(), "sqlite:"+path)
	require.NoError(t, err)
	defer closing(t, s)
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, s.CreateUser(t.Context(), accounts.User{ID: caption.NewID(), Email: "ann@example.org"}))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestSQLiteIsSetUpAsPromised(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "accounts.db"))
	require.NoError(t, err)
	defer closing(t, s)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		var got string
		require.NoError(t, s.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	_, err = s.read.ExecContext(t.Context(), "DELETE FROM users")
	require.Error(t, err, "the connections for reading cannot write")
}

// Several processes that start on one file at the same time must not stumble over each other.
func TestMigrateAtTheSameTime(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "accounts.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "accounts.db")
	s, err := Open(t.Context(), url)
	require.NoError(t, err)
	_, err = s.write.ExecContext(t.Context(), "INSERT INTO schema_migrations (version) VALUES (9999)")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = Open(t.Context(), url)
	require.ErrorContains(t, err, "newer than this program")
}

// A migration that fails leaves nothing behind.
func TestMigrateIsOneTransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer closing(t, db)
	_, err = db.ExecContext(t.Context(), "CREATE TABLE signing_keys (stranger TEXT)") // The last table of the first step.
	require.NoError(t, err)
	_, err = Open(t.Context(), "sqlite:"+path)
	require.ErrorContains(t, err, "0001_accounts.sql")
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE type = 'table'").Scan(&n))
	require.Equal(t, 1, n)
}

func TestACancelledRequestStoresNothing(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "accounts.db"))
	require.NoError(t, err)
	defer closing(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.CreateUser(ctx, accounts.User{ID: caption.NewID(), Email: "ann@example.org"}), context.Canceled)
	_, err = s.UserByEmail(t.Context(), "ann@example.org")
	require.Equal(t, caption.KindNotFound, caption.KindOf(err))
}
