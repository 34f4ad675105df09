package e2e

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Scenario is something that must be true of every deployment.
type Scenario struct {
	Name string
	// Needs says what the scenario does to its deployment; a deployment that cannot do it is not asked to.
	Needs Capability
	// Options are how its deployment must be set up. A scenario with options has it for itself.
	Options Options
	Run     func(t *testing.T, e *Env)
}

// Env is what a scenario has at hand.
type Env struct {
	Deployment
	Fixtures *fixtures
	contract *contract
}

// scenarios is the list. Those that need a deployment for themselves come first, because they take longest.
var scenarios = []Scenario{
	{Name: "KillAtRandomMoments", Needs: Alone | Kills, Options: Options{Settings: killSettings}, Run: killAtRandomMoments},
	{Name: "StopInTheMiddle", Needs: Alone | Restarts, Options: Options{Settings: segmented}, Run: stopInTheMiddle},
	{Name: "UploadResumesAfterRestart", Needs: Alone | Restarts, Run: uploadResumes},
	{Name: "LiveEventsHaveNoGaps", Needs: Alone, Options: Options{Settings: segmented}, Run: liveEvents},
	{Name: "RetryRedoesOnlyWhatIsMissing", Needs: Alone, Options: Options{Settings: oneWorker}, Run: retryRedoesMissing},
	{Name: "DiskFull", Needs: Alone | SmallDisk, Options: Options{DiskBytes: 48 << 20}, Run: diskFull},
	{Name: "GuessingIsLimited", Needs: Alone, Options: Options{Settings: noProxy}, Run: guessingIsLimited},

	{Name: "Journey", Run: journey},
	{Name: "TwoUsers", Run: twoUsers},
	{Name: "IdempotencyKey", Run: idempotencyKey},
	{Name: "Cancel", Run: cancelJob},
	{Name: "Lists", Run: lists},
	{Name: "Accounts", Run: accounts},
	{Name: "Containers", Run: containers},
	{Name: "NothingToCaption", Run: nothingToCaption},
	{Name: "HostileFiles", Run: hostileFiles},
	{Name: "HostileTokens", Needs: Keys, Run: hostileTokens},
	{Name: "HostilePresignedURLs", Needs: Keys, Run: hostilePresigned},
	{Name: "HostileTickets", Run: hostileTickets},
	{Name: "HostilePaths", Run: hostilePaths},
	{Name: "HostileBodies", Run: hostileBodies},
}

// TestOneProcess runs the list on the one-process deployment.
func TestOneProcess(t *testing.T) {
	runScenarios(t, processes{filepath.Join(run.binaries, "captions")})
}

// TestSixProcesses runs the list on the deployment of six programs.
func TestSixProcesses(t *testing.T) { runScenarios(t, sixProcesses{run.binaries, run.backends}) }

// runScenarios runs the list. Scenarios run beside each other as far as -parallel allows; those that need no
// deployment for themselves share one.
func runScenarios(t *testing.T, l Launcher) {
	can, why := l.Can()
	shared := l.Launch(t, Options{})
	all := t.Run("scenarios", func(t *testing.T) { // It ends when all have, so that the shared deployment outlives them.
		for _, s := range scenarios {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				if missing := s.Needs &^ can; missing != 0 {
					t.Skip("this deployment cannot do what the scenario needs: " + why)
				}
				d := shared
				if s.Needs&Alone != 0 {
					d = l.Launch(t, s.Options)
				}
				s.Run(t, &Env{Deployment: d, Fixtures: run.fixtures, contract: run.contract})
			})
		}
	})
	if all && flag.Lookup("test.run").Value.String() == "" {
		require.Empty(t, run.contract.unused(), "no scenario used these operations with success")
	}
}

var users atomic.Uint32

// user returns somebody with an account of their own.
func (e *Env) user(t testing.TB) *user {
	u := e.stranger(t)
	u.signUp()
	return u
}

// stranger returns somebody without an account.
func (e *Env) stranger(t testing.TB) *user {
	n := users.Add(1)
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	return &user{
		t: t, base: e.BaseURL(), addr: fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255),
		email: strings.ToLower(rand.Text()) + "@example.org", password: "long enough " + rand.Text(),
		http: &http.Client{
			Transport: &checkedTransport{t: t, c: e.contract, next: transport, base: e.BaseURL()},
			// Nothing in the API redirects; an answer that does is to be seen.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// says fails the test unless the captions have all these words.
func says(t testing.TB, cues []cue, words []string) {
	t.Helper()
	var all strings.Builder
	for _, c := range cues {
		all.WriteString(strings.ToLower(c.Text) + " ")
	}
	for _, w := range words {
		require.Contains(t, all.String(), w)
	}
}

// eventually waits for something that happens soon after something else; it fails the test only after a long time.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "still not so: %s", what)
	}
}
