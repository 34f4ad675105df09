package e2e

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/accounts/sqlaccounts"
)

// always are the settings of all deployments.
var always = map[string]string{
	"LOG_FORMAT": "json", "LOG_LEVEL": "info",
	// Each user of a scenario says to come from another address, so that one scenario does not use up the others' rates.
	"TRUSTED_PROXIES": "127.0.0.1",
}

// processes launches the one-process deployment: the real program, on a folder of its own.
type processes struct{ binary string }

func (p processes) Can() (Capability, string) {
	if os.Geteuid() != 0 {
		return Alone | Restarts | Kills | Keys, "mounting a small disk needs root"
	}
	return Alone | Restarts | Kills | SmallDisk | Keys, ""
}

func (p processes) Launch(t testing.TB, o Options) Deployment {
	d := &process{dir: t.TempDir(), addr: freeAddr(t)}
	if o.DiskBytes > 0 {
		mountSmallDisk(t, d.dir, o.DiskBytes)
	}
	settings := maps.Clone(always)
	maps.Copy(settings, o.Settings)
	d.program = newProgram(t, p.binary, settings, "serve", "--addr", d.addr, "--data", d.dir)
	d.Start(t)
	return d
}

// process is the one program.
type process struct {
	*program
	dir, addr string
}

func (d *process) BaseURL() string                      { return "http://" + d.addr }
func (d *process) DataDir() string                      { return d.dir }
func (d *process) Signal(t testing.TB) func(testing.TB) { return d.signal(t) }
func (d *process) Stop(t testing.TB)                    { d.signal(t)(t) }
func (d *process) Kill(t testing.TB)                    { d.kill(t) }
func (d *process) Tasks(t testing.TB) []TaskRecord      { return d.tasks(t) }
func (d *process) Start(t testing.TB) {
	d.start(t)
	d.awaitReady(t)
}

func (d *process) SigningKey(t testing.TB) (string, ed25519.PrivateKey) {
	return signingKey(t, "sqlite:"+filepath.Join(d.dir, "accounts.db"))
}

// signingKey reads the one key from the accounts' store.
func signingKey(t testing.TB, accountsURL string) (string, ed25519.PrivateKey) {
	store, err := sqlaccounts.Open(t.Context(), accountsURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	keys, err := store.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0].ID, ed25519.NewKeyFromSeed(keys[0].Seed)
}

func (d *process) ObjectKeys(t testing.TB) aws.Credentials {
	b, err := os.ReadFile(filepath.Join(d.dir, "s3", "credentials.json"))
	require.NoError(t, err)
	var keys struct {
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	require.NoError(t, json.Unmarshal(b, &keys))
	return aws.Credentials{AccessKeyID: keys.AccessKey, SecretAccessKey: keys.SecretKey}
}

func mountSmallDisk(t testing.TB, dir string, size int64) {
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
}
