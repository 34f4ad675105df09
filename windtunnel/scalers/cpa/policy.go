package cpa

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// PollPeriod is how often the original looks, if --poll-period-seconds does not say otherwise.
const PollPeriod = 10 * time.Second

// Policy says how many replicas a cluster of some size should have. Like the original it does not defend itself against
// numbers that no 32-bit integer holds: they wrap, and may be negative.
type Policy interface {
	Replicas(Size) int32
	// Mode is linear or ladder.
	Mode() string
}

// Parse reads the data of the ConfigMap: one key, named after the mode, whose value is JSON. Its errors are the original's,
// word for word, because they are what its log shows.
func Parse(data map[string]string) (Policy, error) {
	if len(data) != 1 {
		return nil, fmt.Errorf("invalid configMap format, expected only one entry, got: %v", data)
	}
	var policy Policy
	var err error
	for mode, text := range data {
		switch mode {
		case modeLinear:
			policy, err = parseLinear(text)
		case modeLadder:
			policy, err = parseLadder(text)
		default:
			return nil, fmt.Errorf("not a supported control mode: %v", mode)
		}
		if err != nil {
			err = fmt.Errorf("Error syncing configMap with controller: error parsing %s params: %w", mode, err) //nolint:staticcheck // the original's words
		}
	}
	if err != nil {
		return nil, err
	}
	return policy, nil
}

const (
	modeLinear = "linear"
	modeLadder = "ladder"
)

// decode reads JSON as the original does: unknown keys are ignored, keys match in any case, the last of two wins. An error
// that names a Go type names the original's.
func decode(text string, into any, packageName string) error {
	err := json.Unmarshal([]byte(text), into)
	if err == nil {
		return nil
	}
	said := strings.ReplaceAll(err.Error(), " cpa.", " "+packageName+".")
	return fmt.Errorf("could not parse parameters (%w)", errors.New(said))
}
