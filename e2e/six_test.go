package e2e

import (
	"crypto/ed25519"
	"maps"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/testservers"
)

// sixNames are the programs, in the order in which the one at the entry comes last.
var sixNames = []string{"auth-service", "upload-service", "caption-service", "caption-worker", "frontend", "gateway-service"}

// sixProcesses launches the deployment of six programs.
type sixProcesses struct {
	binaries string // their folder
	backends *testservers.Backends
}

func (s sixProcesses) Can() (Capability, string) {
	return Alone | Restarts | Kills | Keys, "its data are with servers, not in a folder"
}

func (s sixProcesses) Launch(t testing.TB, o Options) Deployment {
	settings := maps.Clone(always)
	own, err := s.backends.Settings(t.Context())
	require.NoError(t, err)
	maps.Copy(settings, own)
	addrs := map[string]string{}
	for _, name := range sixNames {
		addrs[name] = freeAddr(t)
	}
	maps.Copy(settings, map[string]string{
		"AUTH_URL": "http://" + addrs["auth-service"], "UPLOAD_URL": "http://" + addrs["upload-service"],
		"CAPTION_URL": "http://" + addrs["caption-service"], "FRONTEND_URL": "http://" + addrs["frontend"],
		"DRAIN_PAUSE": "0s", // There is no load balancer.
		"WORK_DIR":    t.TempDir(),
	})
	maps.Copy(settings, o.Settings)
	d := &six{addr: addrs["gateway-service"], accounts: settings["ACCOUNTS_URL"], s3: s.backends.S3}
	for _, name := range sixNames {
		settings["ADDR"] = addrs[name]
		p := newProgram(t, filepath.Join(s.binaries, name), settings)
		d.programs = append(d.programs, p)
		if name == "caption-worker" {
			d.worker = p
		}
	}
	d.Start(t)
	return d
}

// six are the six programs.
type six struct {
	programs       []*program
	worker         *program
	addr, accounts string
	s3             *testservers.S3
}

func (d *six) BaseURL() string                 { return "http://" + d.addr }
func (d *six) DataDir() string                 { return "" }
func (d *six) Stop(t testing.TB)               { d.Signal(t)(t) }
func (d *six) Tasks(t testing.TB) []TaskRecord { return d.worker.tasks(t) }

func (d *six) Start(t testing.TB) {
	for _, p := range d.programs {
		p.start(t)
	}
	for _, p := range d.programs {
		p.awaitReady(t)
	}
}

// Signal asks all of them at once, as when a cluster is emptied.
func (d *six) Signal(t testing.TB) func(testing.TB) {
	var waits []func(testing.TB)
	for _, p := range d.programs {
		waits = append(waits, p.signal(t))
	}
	return func(t testing.TB) {
		for _, wait := range waits {
			wait(t)
		}
	}
}

func (d *six) Kill(t testing.TB) {
	for _, p := range d.programs {
		p.kill(t)
	}
}

func (d *six) SigningKey(t testing.TB) (string, ed25519.PrivateKey) { return signingKey(t, d.accounts) }

func (d *six) ObjectKeys(testing.TB) aws.Credentials {
	return aws.Credentials{AccessKeyID: d.s3.AccessKey, SecretAccessKey: d.s3.SecretKey}
}
