package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const bad = "../../lint/testdata/bad/"

func TestMistakesAreWrittenAndFail(t *testing.T) {
	var out strings.Builder
	err := run(&out, []string{bad + "hpa-vpa"})
	require.EqualError(t, err, "mistakes found: 1")
	require.Contains(t, out.String(), bad[:len(bad)-1]+"/hpa-vpa/hpa.yaml:14: error: ")
	require.Contains(t, out.String(), "and: "+bad+"hpa-vpa/vpa.yaml")
}

func TestEachJudgesFoldersApart(t *testing.T) {
	var out strings.Builder
	deploy := "../../../deploy/"
	require.NoError(t, run(&out, []string{"-each", "-with", deploy + "base", deploy + "HPA/auth-service/object", deploy + "HPA/auth-service/external"}))
	require.Contains(t, out.String(), "objects in 2 sets of folders: no mistakes")
	require.Error(t, run(&out, []string{deploy + "base", deploy + "HPA/auth-service/object", deploy + "HPA/auth-service/external"}))
}

func TestBadUsage(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(&out, nil), "name the folders that are applied together")
	require.ErrorContains(t, run(&out, []string{"nowhere"}), "there is no such file or folder")
}
