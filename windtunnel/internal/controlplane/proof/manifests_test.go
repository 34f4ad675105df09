//go:build autoscalers

package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s-scalers/windtunnel/internal/controlplane"
)

// TestManifests builds every folder, and has the API server look at everything in it under strict validation, without a
// word of warning.
func TestManifests(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	require.NoError(t, c.InstallCRDs(t.Context(), definitions()...))
	for _, folder := range kustomizations(t) {
		t.Run(strings.ReplaceAll(folder, "/", "_"), func(t *testing.T) {
			objects := manifests(t, folder)
			require.NotEmpty(t, objects)
			for _, o := range objects {
				if namespace := o.GetNamespace(); namespace != "" {
					c.ensureNamespace(t, namespace)
				}
			}
			c.Warnings() // of what was there before
			for _, o := range objects {
				require.NoError(t, c.DryRun(t.Context(), o))
				require.Empty(t, c.Warnings(), "warnings about %s", controlplane.Describe(o))
			}
		})
	}
}

// definitions are those of all kinds in the manifests that are not Kubernetes' own.
func definitions() []controlplane.Scaler {
	return []controlplane.Scaler{
		controlplane.KEDA(), controlplane.VPA(), controlplane.Karpenter(), controlplane.KarpenterAWS(),
		controlplane.GatewayAPI(), controlplane.PrometheusOperator(), controlplane.ExternalSecrets(),
	}
}

// ensureNamespace makes a namespace for a dry run. The pods of captions are held to the restricted standard there, and
// what would violate it is warned about.
func (c cluster) ensureNamespace(t *testing.T, name string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if name == "captions" || name == metav1.NamespaceDefault {
		ns.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
	}
	_, err := c.Kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if !exists(err) {
		require.NoError(t, err)
	}
}

// TestRejected has the API server reject what people get wrong. The first line of each file is what it must say.
func TestRejected(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	require.NoError(t, c.InstallCRDs(t.Context(), definitions()...))
	files, err := filepath.Glob("testdata/rejected/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "# Rejected with: ")
			require.True(t, ok, "the first line says what the API server must say")
			objects, err := controlplane.Decode(text)
			require.NoError(t, err)
			require.Len(t, objects, 1)
			require.ErrorContains(t, c.DryRun(t.Context(), objects...), want)
		})
	}
}
