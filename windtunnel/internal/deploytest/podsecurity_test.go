package deploytest

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"k8s-scalers/windtunnel/manifest"
)

// TestPodsAreRestricted asks the admission plugin's own rules about every pod that we run: the services, the backends of
// kind, the Jobs of KEDA and the controllers in kube-system.
func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	pods := 0
	for _, dir := range folders(t) {
		objects, err := manifest.Load(dir)
		require.NoError(t, err)
		for _, o := range objects {
			var template corev1.PodTemplateSpec
			switch o.GetKind() {
			case "Deployment":
				d, err := manifest.As[appsv1.Deployment](o)
				require.NoError(t, err)
				template = d.Spec.Template
			case "StatefulSet":
				s, err := manifest.As[appsv1.StatefulSet](o)
				require.NoError(t, err)
				template = s.Spec.Template
			case "ScaledJob":
				spec := o.Object["spec"].(map[string]any)["jobTargetRef"].(map[string]any)["template"].(map[string]any)
				require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(spec, &template, true))
			default:
				continue
			}
			pods++
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &metav1.ObjectMeta{}, &template.Spec))
			require.True(t, result.Allowed, "%s: %s: %s", o.Position(), o.Ref(), result.ForbiddenDetail())
		}
	}
	require.Greater(t, pods, 20)
}
