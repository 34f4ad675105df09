package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

const hpa = `# a comment
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 60
`

func TestPlainFilesKeepThePositionsOfTheirFields(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "---\n# nothing\n---\n" + hpa, "b.txt": "not a manifest"})
	objects, err := Load(dir)
	require.NoError(t, err)
	require.Len(t, objects, 1)
	o := objects[0]
	require.Equal(t, "HorizontalPodAutoscaler web", o.Ref())
	require.Equal(t, dir, o.Folder)
	file := filepath.Join(dir, "a.yaml")
	require.Equal(t, Position{file, 5, 1}, o.Position())
	require.Equal(t, file+":18", o.Position(ParsePath("spec.metrics[0].resource.target.averageUtilization")...).String())
	require.Equal(t, 16, o.Position("spec", "metrics", 0, "resource", "target", "missing").Line, "the nearest field around it")

	typed, err := As[autoscalingv2.HorizontalPodAutoscaler](o)
	require.NoError(t, err)
	require.Equal(t, int32(60), *typed.Spec.Metrics[0].Resource.Target.AverageUtilization)
}

func TestKustomizeFoldersAreBuiltAndKeepPositions(t *testing.T) {
	dir := write(t, map[string]string{
		"base/kustomization.yaml": "resources: [hpa.yaml]\nconfigMapGenerator: [{name: c, literals: [A=b]}]\n",
		"base/hpa.yaml":           hpa,
		"top/kustomization.yaml":  "namespace: demo\nnamePrefix: my-\nresources: [../base]\n",
	})
	objects, err := Load(filepath.Join(dir, "top"))
	require.NoError(t, err)
	require.Len(t, objects, 2)
	for _, o := range objects {
		require.Equal(t, "demo", o.GetNamespace())
		require.Empty(t, o.GetAnnotations(), "nothing of ours stays in the object")
		if o.GetKind() == "HorizontalPodAutoscaler" {
			require.Equal(t, "my-web", o.GetName())
			require.Equal(t, filepath.Join(dir, "base/hpa.yaml")+":7", o.Position("spec", "maxReplicas").String())
		} else {
			require.Equal(t, filepath.Join(dir, "base/kustomization.yaml"), o.Position("data", "A").String())
		}
	}
}

func TestListsAreTakenApart(t *testing.T) {
	dir := write(t, map[string]string{"l.json": `{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}]}`})
	objects, err := Load(filepath.Join(dir, "l.json"))
	require.NoError(t, err)
	require.Len(t, objects, 2)
	require.Equal(t, "b", objects[1].GetName())
	require.Equal(t, 3, objects[1].Position("metadata").Line)
}

func TestEveryThingThatCannotBeReadIsSaid(t *testing.T) {
	dir := write(t, map[string]string{
		"empty/readme.md":             "",
		"broken/a.yaml":               "a: [",
		"twice/a.yaml":                "apiVersion: v1\nkind: ConfigMap\nkind: Secret\n",
		"values/values.yaml":          "image: x\n",
		"scalar/a.yaml":               "hello\n",
		"missing/kustomization.yaml":  "resources: [nowhere.yaml]\n",
		"unknown/kustomization.yaml":  "resource: [a.yaml]\n",
		"patchless/kustomization.yml": "patches: [{path: nowhere.yaml}]\n",
	})
	for folder, want := range map[string]string{
		"empty":     "there is no kustomization.yaml and no YAML file in it",
		"broken":    "a.yaml:1: this is not YAML: ",
		"twice":     `mapping key "kind" already defined at line 2`,
		"values":    "values.yaml:1: this is no Kubernetes object: it has no apiVersion or no kind",
		"scalar":    "a.yaml:1: this is no Kubernetes object: expected a mapping with apiVersion and kind",
		"missing":   "nowhere.yaml",
		"unknown":   `unknown field "resource"`,
		"patchless": "nowhere.yaml",
		"gone":      "there is no such file or folder",
	} {
		_, err := Load(filepath.Join(dir, folder))
		require.ErrorContains(t, err, want, folder)
	}
	_, err := Load(filepath.Join(dir, "gone"), filepath.Join(dir, "broken"))
	require.ErrorContains(t, err, "gone")
	require.ErrorContains(t, err, "broken", "each is said")
}

func TestCheckIsAsStrictAsTheServer(t *testing.T) {
	for name, c := range map[string]struct{ manifest, path, message string }{
		"right": {manifest: hpa},
		"field at the wrong place": {strings.Replace(hpa, "spec:\n", "spec:\n  scaleDown: {stabilizationWindowSeconds: 1}\n", 1),
			"spec.scaleDown", "there is no such field"},
		"wrong type": {strings.Replace(hpa, "maxReplicas: 3", "maxReplicas: many", 1), "", "cannot unmarshal string"},
		"custom, right": {manifest: `{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, metadata: {name: v},
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: d}, updatePolicy: {updateMode: Initial}}}`},
		"custom, unknown field": {`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: s},
spec: {scaleTargetRef: {name: d}, cooldown: 3, triggers: [{type: cron, metadata: {}}]}}`, "spec.cooldown", "there is no such field"},
		"custom, value out of range": {`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: s},
spec: {scaleTargetRef: {name: d}, maxReplicaCount: 0, triggers: [{type: cron, metadata: {}}]}}`, "spec.maxReplicaCount", "greater than or equal to 1"},
		"custom, not one of the values": {`{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, metadata: {name: v},
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: d}, updatePolicy: {updateMode: Sometimes}}}`, "spec.updatePolicy.updateMode", "should be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Load(filepath.Join(write(t, map[string]string{"a.yaml": c.manifest}), "a.yaml"))
			require.NoError(t, err)
			problems, err := Check(objects[0])
			require.NoError(t, err)
			if c.message == "" {
				require.Empty(t, problems)
				return
			}
			require.Len(t, problems, 1)
			require.Equal(t, c.path, problems[0].Path)
			require.Contains(t, problems[0].Message, c.message)
		})
	}
}

func TestKindsWithoutSchemaAreNotSilentlyRight(t *testing.T) {
	for manifest, want := range map[string]string{
		"{apiVersion: example.org/v1, kind: Thing}":                        "the kind is not known here",
		"{apiVersion: karpenter.sh/v1alpha5, kind: NodePool}":              "version v1alpha5 of NodePool.karpenter.sh is not served; there is v1",
		"{apiVersion: autoscaling/v2beta2, kind: HorizontalPodAutoscaler}": "the kind is not known here",
	} {
		objects, err := Load(filepath.Join(write(t, map[string]string{"a.yaml": manifest}), "a.yaml"))
		require.NoError(t, err)
		_, err = Check(objects[0])
		require.ErrorContains(t, err, want)
	}
}
