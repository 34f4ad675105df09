package e2e

import (
	"crypto/ed25519"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Capability is something that a scenario needs to do to a deployment, beyond using it.
type Capability uint

const (
	// Alone: no other scenario uses the deployment.
	Alone Capability = 1 << iota
	// Restarts: it can be stopped in order and started again.
	Restarts
	// Kills: its processes can be killed without warning.
	Kills
	// SmallDisk: its data can be kept on a disk that is full quickly.
	SmallDisk
	// Keys: the keys can be read by which it signs tokens and addresses.
	Keys
)

// Options are how a deployment is to be set up.
type Options struct {
	// Settings are environment variables, without the prefix CAPTIONS_.
	Settings map[string]string
	// DiskBytes limits the disk for the data where it is not 0.
	DiskBytes int64
}

// Deployment is a running system. Its methods fail the test when they do not succeed.
type Deployment interface {
	BaseURL() string
	// Stop ends it in order, and fails the test unless it ends well.
	Stop(t testing.TB)
	// Signal asks it to end in order, and returns a function that waits for that as Stop does.
	Signal(t testing.TB) (wait func(t testing.TB))
	// Kill ends it without warning.
	Kill(t testing.TB)
	// Start starts it again after Stop or Kill, with the same data and under the same address.
	Start(t testing.TB)
	// Tasks tells which tasks its workers have ended since the beginning, over all restarts.
	Tasks(t testing.TB) []TaskRecord
	// SigningKey returns the key with which access tokens are signed, so that a scenario can make tokens that are wrong in
	// one thing only.
	SigningKey(t testing.TB) (id string, key ed25519.PrivateKey)
	// ObjectKeys returns the credentials by which addresses of parts and videos are signed, for the same purpose.
	ObjectKeys(t testing.TB) aws.Credentials
	// DataDir is where a scenario fills the disk.
	DataDir() string
}

// TaskRecord is the end of one handling of a task.
type TaskRecord struct {
	JobID   string `json:"job_id"`
	Kind    string `json:"task"`
	Segment int    `json:"segment"`
	Attempt int    `json:"attempt"`
	Outcome string `json:"outcome"`
}

// Launcher starts deployments of one kind.
type Launcher interface {
	// Can tells what its deployments can do; why says why one cannot do the rest.
	Can() (can Capability, why string)
	// Launch starts a deployment that lives as long as t.
	Launch(t testing.TB, o Options) Deployment
}
