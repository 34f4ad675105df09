package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTooLittleMemoryIsTold(t *testing.T) {
	require.NoError(t, checkMemory(8<<30))
	require.EqualError(t, checkMemory(2<<30), "the machine has 2048 MiB of memory, and a node with the platform on it takes 5120")
}
