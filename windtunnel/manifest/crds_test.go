package manifest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the definitions anew from their modules")

// definitions are the modules that the definitions come from, and the files in them.
var definitions = []struct {
	module, version, folder string
	files                   []string
}{
	{"github.com/kedacore/keda/v2", "v2.21.0", "config/crd/bases", []string{"keda.sh_scaledobjects.yaml", "keda.sh_scaledjobs.yaml",
		"keda.sh_triggerauthentications.yaml", "keda.sh_clustertriggerauthentications.yaml"}},
	{"k8s.io/autoscaler/vertical-pod-autoscaler", "v1.8.1", "deploy", []string{"vpa-v1-crd-gen.yaml"}},
	{"sigs.k8s.io/karpenter", "v1.14.0", "pkg/apis/crds", []string{"karpenter.sh_nodepools.yaml", "karpenter.sh_nodeclaims.yaml"}},
	{"github.com/aws/karpenter-provider-aws", "v1.14.0", "pkg/apis/crds", []string{"karpenter.k8s.aws_ec2nodeclasses.yaml"}},
	{"sigs.k8s.io/gateway-api", "v1.6.0", "config/crd/standard", []string{"gateway.networking.k8s.io_gateways.yaml",
		"gateway.networking.k8s.io_httproutes.yaml"}},
	{"github.com/prometheus-operator/prometheus-operator", "v0.92.0", "example/prometheus-operator-crd", []string{
		"monitoring.coreos.com_servicemonitors.yaml", "monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml"}},
	{"github.com/external-secrets/external-secrets", "v1.3.2", "config/crds/bases", []string{"external-secrets.io_externalsecrets.yaml",
		"external-secrets.io_secretstores.yaml"}},
}

func TestDefinitionsAreThoseOfTheirModules(t *testing.T) {
	want := map[string]bool{}
	for _, d := range definitions {
		folder := filepath.Join(moduleFolder(t, d.module+"@"+d.version), filepath.FromSlash(d.folder))
		for _, file := range d.files {
			text, err := os.ReadFile(filepath.Join(folder, file))
			require.NoError(t, err)
			for _, crd := range definitionsIn(t, string(text)) {
				name := crd["metadata"].(map[string]any)["name"].(string) + ".yaml"
				out, err := yaml.Marshal(crd)
				require.NoError(t, err)
				out = append([]byte("# From "+d.folder+"/"+file+" of "+d.module+" "+d.version+", without the descriptions.\n"), out...)
				want[name] = true
				if *update {
					require.NoError(t, os.WriteFile(filepath.Join("crds", name), out, 0o600))
				}
				have, err := os.ReadFile(filepath.Join("crds", name))
				require.NoError(t, err)
				require.Equal(t, string(out), string(have), "run: go test ./manifest -run %s -update", t.Name())
			}
		}
	}
	files, err := filepath.Glob("crds/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(want), "there are no others")
}

// moduleFolder is where a module is, downloaded first where it is not there.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // Outside of any module, so that none is changed.
	out, err := cmd.Output()
	require.NoError(t, err, string(out))
	var m struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &m))
	return m.Dir
}

// definitionsIn are the CustomResourceDefinitions of a file, without what an object is not checked by.
func definitionsIn(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for doc := range strings.SplitSeq("\n"+text, "\n---") {
		var crd map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(doc), &crd))
		if crd == nil || crd["kind"] != "CustomResourceDefinition" {
			continue
		}
		delete(crd, "status")
		for _, v := range crd["spec"].(map[string]any)["versions"].([]any) {
			withoutDescriptions(v.(map[string]any)["schema"])
		}
		all = append(all, crd)
	}
	return all
}

func withoutDescriptions(v any) {
	switch v := v.(type) {
	case map[string]any:
		// A property may be called description; then it is a schema, not a text.
		if _, ok := v["description"].(string); ok {
			delete(v, "description")
		}
		for _, sub := range v {
			withoutDescriptions(sub)
		}
	case []any:
		for _, sub := range v {
			withoutDescriptions(sub)
		}
	}
}
