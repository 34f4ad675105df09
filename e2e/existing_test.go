//go:build existing

package e2e

import (
	"crypto/ed25519"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

// TestExisting runs the list on a deployment that somebody else has started: make e2e. It must believe X-Forwarded-For from
// here, else the scenarios use up one another's rates.
func TestExisting(t *testing.T) {
	url := os.Getenv(existingURL)
	require.NotEmpty(t, url, "%s names no deployment; make e2e does", existingURL)
	d := existing{strings.TrimSuffix(url, "/")}
	eventually(t, "somebody answers at "+url, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/", nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	runScenarios(t, d)
}

// existing is a deployment of which only the address is known. Whoever launches it gets the same one.
type existing struct{ url string }

func (e existing) Can() (Capability, string) {
	return 0, "it is used, and neither stopped, nor set up anew, nor are its keys known"
}

func (e existing) Launch(t testing.TB, o Options) Deployment {
	require.Zero(t, o, "nobody can set up a deployment that runs")
	return e
}

func (e existing) BaseURL() string { return e.url }

func (e existing) Stop(t testing.TB) { e.cannot(t) }

func (e existing) Signal(t testing.TB) func(testing.TB) { e.cannot(t); return nil }

func (e existing) Kill(t testing.TB) { e.cannot(t) }

func (e existing) Start(t testing.TB) { e.cannot(t) }

func (e existing) Tasks(t testing.TB) []TaskRecord { e.cannot(t); return nil }

func (e existing) SigningKey(t testing.TB) (string, ed25519.PrivateKey) { e.cannot(t); return "", nil }

func (e existing) ObjectKeys(t testing.TB) aws.Credentials { e.cannot(t); return aws.Credentials{} }

func (e existing) DataDir() string { return "" }

// cannot fails a scenario that has not said what it needs.
func (e existing) cannot(t testing.TB) {
	t.Helper()
	_, why := e.Can()
	require.Fail(t, "the scenario needs more than it says", why)
}
