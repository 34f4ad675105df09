package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/lint"
)

const (
	bad    = "../../lint/testdata/bad/"
	deploy = "../../../deploy/"
)

// check runs the command with arguments as a user writes them.
func check(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var command checkCommand
	parser, err := kong.New(&command)
	require.NoError(t, err)
	if _, err := parser.Parse(args); err != nil {
		return "", err
	}
	var out strings.Builder
	err = command.check(&out)
	return out.String(), err
}

func TestMistakesAreWrittenAndFail(t *testing.T) {
	out, err := check(t, bad+"hpa-vpa")
	require.EqualError(t, err, "mistakes found: 1")
	require.Contains(t, out, filepath.Clean(bad+"hpa-vpa/hpa.yaml")+":14: error: ")
	require.Contains(t, out, "and: "+filepath.Clean(bad+"hpa-vpa/vpa.yaml"))
}

// TestEveryRuleIsFoundByTheCommand holds check to all that the lint knows, with reason and fix.
func TestEveryRuleIsFoundByTheCommand(t *testing.T) {
	for _, rule := range lint.Rules() {
		out, _ := check(t, bad+rule)
		require.Contains(t, out, "["+rule+"]")
		require.Contains(t, out, "    why: ")
		require.Contains(t, out, "    fix: ")
	}
}

func TestEachJudgesFoldersApart(t *testing.T) {
	out, err := check(t, "--each", "--with", deploy+"base", deploy+"HPA/auth-service/object", deploy+"HPA/auth-service/external")
	require.NoError(t, err)
	require.Contains(t, out, "objects in 2 sets of folders: no mistakes")
	_, err = check(t, deploy+"base", deploy+"HPA/auth-service/object", deploy+"HPA/auth-service/external")
	require.ErrorContains(t, err, "mistakes found")
}

func TestWhatCannotBeReadIsSaidAllAtOnce(t *testing.T) {
	_, err := check(t)
	require.ErrorContains(t, err, "<dir>")
	_, err = check(t, "--each", "nowhere", bad+"hpa-vpa", "elsewhere")
	require.ErrorContains(t, err, "nowhere: there is no such file or folder")
	require.ErrorContains(t, err, "elsewhere: there is no such file or folder")
	require.ErrorContains(t, err, "mistakes found: 1")
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err = check(t, empty)
	require.ErrorContains(t, err, "empty.yaml")
}

// TestWhatIsCheckedButNotRun: the schema of a ScaledJob is known, what it would do in a run is not.
func TestWhatIsCheckedButNotRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "job.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: batch, namespace: shop}
spec:
  jobTargetRef:
    template:
      spec:
        restartPolicy: Never
        containers: [{name: a, image: "a:1", resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}}]
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: "2"}}]
`), 0o600))
	out, err := check(t, file)
	require.NoError(t, err)
	require.Contains(t, out, file+":1: note: ScaledJob shop/batch: windtunnel run does not model ScaledJobs")
	require.Contains(t, out, "1 objects in 1 sets of folders: no mistakes")
}

func TestAFolderOfFoldersSaysWhatIsInIt(t *testing.T) {
	_, err := check(t, deploy)
	require.ErrorContains(t, err, "name the folder that you would give to kubectl apply -k: ")
	require.ErrorContains(t, err, filepath.Join(deploy, "CAS")+", ")
}
