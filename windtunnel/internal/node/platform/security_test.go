//go:build cluster

package platform_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSecurity looks at what runs, and tries to run what must not.
func TestSecurity(t *testing.T) {
	c := connect(t)
	list, err := c.Kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Greater(t, len(list.Items), 10, "six services and five servers")
	for _, pod := range list.Items {
		require.NotNil(t, pod.Spec.SecurityContext, pod.Name)
		require.Equal(t, new(true), pod.Spec.SecurityContext.RunAsNonRoot, pod.Name)
		for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			require.NotNil(t, container.SecurityContext, "%s in %s", container.Name, pod.Name)
			require.Equal(t, new(true), container.SecurityContext.ReadOnlyRootFilesystem, "%s in %s", container.Name, pod.Name)
			require.Equal(t, new(false), container.SecurityContext.AllowPrivilegeEscalation, "%s in %s", container.Name, pod.Name)
		}
		for _, status := range pod.Status.ContainerStatuses {
			if status.User != nil && status.User.Linux != nil { // Not every runtime tells.
				require.Positive(t, status.User.Linux.UID, "%s in %s", status.Name, pod.Name)
			}
		}
	}
	policies, err := c.Kube.NetworkingV1().NetworkPolicies(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Greater(t, len(policies.Items), 6, "one a service, and the default")

	_, err = c.Kube.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "intruder-"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "intruder", Image: list.Items[0].Spec.Containers[0].Image, SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
		}}},
	}, metav1.CreateOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, `violates PodSecurity "restricted`)
}
