package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"k8s-scalers/windtunnel/manifest"
)

// setting is a row of docs/configuration.md, which is made from the code.
type setting struct{ required, secret bool }

var settingRow = regexp.MustCompile("^\\| `(CAPTIONS_[A-Z0-9_]+)`(.*?) \\| (.*?) \\|")

// settings are those of each program.
func settings(t *testing.T) map[string]map[string]setting {
	t.Helper()
	content, err := os.ReadFile("../../../docs/configuration.md")
	require.NoError(t, err)
	all := map[string]map[string]setting{}
	var program string
	for line := range strings.SplitSeq(string(content), "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			program = name
			all[program] = map[string]setting{}
		}
		if m := settingRow.FindStringSubmatch(line); m != nil {
			all[program][m[1]] = setting{required: m[3] == "required", secret: strings.Contains(m[2], "🔑")}
		}
	}
	return all
}

// TestEverySettingIsOneOfItsProgram finds a misspelt or missing setting before a pod does.
func TestEverySettingIsOneOfItsProgram(t *testing.T) {
	known := settings(t)
	for _, overlay := range []string{"kind", "node", "eks"} {
		objects, err := manifest.Load(filepath.Join(deploy, "overlays", overlay))
		require.NoError(t, err)
		configMaps := map[string]map[string]string{}
		for _, o := range objects {
			if o.GetKind() == "ConfigMap" {
				c, err := manifest.As[corev1.ConfigMap](o)
				require.NoError(t, err)
				configMaps[c.Name] = c.Data
			}
		}
		for _, o := range objects {
			if o.GetKind() != "Deployment" {
				continue
			}
			d, err := manifest.As[appsv1.Deployment](o)
			require.NoError(t, err)
			c := d.Spec.Template.Spec.Containers[0]
			given := map[string]bool{}
			for _, from := range c.EnvFrom {
				data, ok := configMaps[from.ConfigMapRef.Name]
				require.True(t, ok, "%s: there is no ConfigMap %s", d.Name, from.ConfigMapRef.Name)
				for name := range data {
					require.False(t, known[d.Name][name].secret, "%s: %s does not belong into a ConfigMap", d.Name, name)
					given[name] = true
				}
			}
			for _, e := range c.Env {
				name, isFile := strings.CutSuffix(e.Name, "_FILE")
				given[name] = true
				if isFile {
					require.True(t, known[d.Name][name].secret, "%s: %s cannot be read from a file", d.Name, name)
					require.True(t, mounted(d.Spec.Template.Spec, c, e.Value), "%s: nothing is mounted at %s", d.Name, e.Value)
				}
			}
			for name := range given {
				if strings.HasPrefix(name, "CAPTIONS_") {
					require.Contains(t, known[d.Name], name, "%s: %s has no such setting", overlay, d.Name)
				}
			}
			for name, s := range known[d.Name] {
				require.True(t, !s.required || given[name], "%s: %s is missing for %s", overlay, name, d.Name)
			}
		}
	}
}

// mounted tells whether a Secret puts a file at the path.
func mounted(pod corev1.PodSpec, c corev1.Container, path string) bool {
	for _, m := range c.VolumeMounts {
		file, ok := strings.CutPrefix(path, m.MountPath+"/")
		if !ok {
			continue
		}
		for _, v := range pod.Volumes {
			switch {
			case v.Name != m.Name:
			case v.Secret != nil:
				return true // Its keys are the files.
			case v.Projected != nil:
				for _, s := range v.Projected.Sources {
					for _, item := range s.Secret.Items {
						if item.Path == file {
							return true
						}
					}
				}
			}
		}
	}
	return false
}
