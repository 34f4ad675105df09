//go:build autoscalers

package proof_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// kustomizations returns all folders below deploy/ that are meant to be built by themselves: components are not.
func kustomizations(t *testing.T) []string {
	t.Helper()
	root := deploy(t)
	var folders []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var head struct{ Kind string }
		if err := yaml.Unmarshal(text, &head); err != nil {
			return err
		}
		if head.Kind == "Component" {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		folders = append(folders, filepath.ToSlash(folder))
		return err
	}))
	require.NotEmpty(t, folders)
	return folders
}

// policies returns the folders below one below deploy/.
func policies(t *testing.T, below string) []string {
	t.Helper()
	var folders []string
	for _, folder := range kustomizations(t) {
		if strings.HasPrefix(folder, below+"/") {
			folders = append(folders, folder)
		}
	}
	return folders
}

// provePolicies proves all folders below one, each of which has one object, in a namespace of its own and all at the same time.
func provePolicies(t *testing.T, below string, want int, prove func(t *testing.T, object *unstructured.Unstructured, namespace string)) {
	t.Helper()
	folders := policies(t, below)
	require.Len(t, folders, want)
	t.Run("policies", func(t *testing.T) {
		for _, folder := range folders {
			t.Run(strings.ReplaceAll(folder, "/", "_"), func(t *testing.T) {
				t.Parallel()
				objects := manifests(t, folder)
				require.Len(t, objects, 1)
				prove(t, objects[0], namespaceOf(folder))
			})
		}
	})
}

// namespaceOf gives each folder a namespace of its own.
func namespaceOf(folder string) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(folder))
}
