package scenarios_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/scenarios"
)

func TestAllAreReadable(t *testing.T) {
	require.NotEmpty(t, scenarios.Names())
	for _, name := range scenarios.Names() {
		s, err := scenarios.Read(name)
		require.NoError(t, err)
		require.NotEmpty(t, s.Title, name)
		require.NotEmpty(t, s.SLOs, name)
	}
	_, err := scenarios.Read("rain")
	require.ErrorContains(t, err, "quiet-day")
}
