package cluster

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// paced is a clientset whose writes take a moment of virtual time. The clock moves on only when every goroutine waits, so a
// controller goes on after a write when everybody, its own cache included, has seen it. Without that the number of
// conflicts and retries would depend on which goroutine is faster, and with it the moment at which things happen. Only
// what the controllers write is here; the rest is the fake clientset's.
type paced struct{ kubernetes.Interface }

// moment is short enough for hundreds of writes within half a second.
const moment = time.Microsecond

func pause() { time.Sleep(moment) }

func (c paced) CoreV1() coreclient.CoreV1Interface { return pacedCore{c.Interface.CoreV1()} }
func (c paced) AppsV1() appsclient.AppsV1Interface { return pacedApps{c.Interface.AppsV1()} }
func (c paced) AutoscalingV2() autoscalingclient.AutoscalingV2Interface {
	return pacedAutoscaling{c.Interface.AutoscalingV2()}
}

type pacedCore struct{ coreclient.CoreV1Interface }

func (c pacedCore) Pods(namespace string) coreclient.PodInterface {
	return pacedPods{c.CoreV1Interface.Pods(namespace)}
}

type pacedPods struct{ coreclient.PodInterface }

func (c pacedPods) Create(ctx context.Context, pod *corev1.Pod, options metav1.CreateOptions) (*corev1.Pod, error) {
	defer pause()
	return c.PodInterface.Create(ctx, pod, options)
}

func (c pacedPods) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	defer pause()
	return c.PodInterface.Delete(ctx, name, options)
}

func (c pacedPods) Bind(ctx context.Context, binding *corev1.Binding, options metav1.CreateOptions) error {
	defer pause()
	return c.PodInterface.Bind(ctx, binding, options)
}

type pacedApps struct{ appsclient.AppsV1Interface }

func (c pacedApps) Deployments(namespace string) appsclient.DeploymentInterface {
	return pacedDeployments{c.AppsV1Interface.Deployments(namespace)}
}

func (c pacedApps) ReplicaSets(namespace string) appsclient.ReplicaSetInterface {
	return pacedReplicaSets{c.AppsV1Interface.ReplicaSets(namespace)}
}

type pacedDeployments struct{ appsclient.DeploymentInterface }

func (c pacedDeployments) Update(ctx context.Context, d *appsv1.Deployment, options metav1.UpdateOptions) (*appsv1.Deployment, error) {
	defer pause()
	return c.DeploymentInterface.Update(ctx, d, options)
}

func (c pacedDeployments) UpdateStatus(ctx context.Context, d *appsv1.Deployment, options metav1.UpdateOptions) (*appsv1.Deployment, error) {
	defer pause()
	return c.DeploymentInterface.UpdateStatus(ctx, d, options)
}

type pacedReplicaSets struct{ appsclient.ReplicaSetInterface }

func (c pacedReplicaSets) Create(ctx context.Context, s *appsv1.ReplicaSet, options metav1.CreateOptions) (*appsv1.ReplicaSet, error) {
	defer pause()
	return c.ReplicaSetInterface.Create(ctx, s, options)
}

func (c pacedReplicaSets) Update(ctx context.Context, s *appsv1.ReplicaSet, options metav1.UpdateOptions) (*appsv1.ReplicaSet, error) {
	defer pause()
	return c.ReplicaSetInterface.Update(ctx, s, options)
}

func (c pacedReplicaSets) UpdateStatus(ctx context.Context, s *appsv1.ReplicaSet, options metav1.UpdateOptions) (*appsv1.ReplicaSet, error) {
	defer pause()
	return c.ReplicaSetInterface.UpdateStatus(ctx, s, options)
}

type pacedAutoscaling struct {
	autoscalingclient.AutoscalingV2Interface
}

func (c pacedAutoscaling) HorizontalPodAutoscalers(namespace string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return pacedScalers{c.AutoscalingV2Interface.HorizontalPodAutoscalers(namespace)}
}

type pacedScalers struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
}

func (c pacedScalers) UpdateStatus(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler, options metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	defer pause()
	return c.HorizontalPodAutoscalerInterface.UpdateStatus(ctx, h, options)
}
