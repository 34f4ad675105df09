package vpa

import (
	"context"
	"encoding/json"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	admission "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/patch"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpamatch "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/vpa"
	"k8s.io/klog/v2"

	"k8s-scalers/windtunnel/cluster"
)

func newWebhook(s store, find targets, provider recommendation.Provider) admission.Handler {
	return pod.NewResourceHandler(pod.NewDefaultPreProcessor(), vpamatch.NewMatcher(s, find, find), []patch.Calculator{
		patch.NewResourceUpdatesCalculator(provider, resource.QuantityValue{}), patch.NewObservedContainersCalculator(),
	})
}

// admit gives a pod that is about to be created what is recommended for it. As in a cluster, a webhook that fails lets the pod pass
// as it is.
func (a *Autoscaler) admit(object cluster.Object) {
	created, ok := object.(*corev1.Pod)
	if !ok || len(a.store.ListKeys()) == 0 {
		return
	}
	raw, err := json.Marshal(created)
	if err != nil {
		klog.ErrorS(err, "VPA webhook")
		return
	}
	patches, _, mistakes := a.webhook.GetPatches(context.Background(), &admissionv1.AdmissionRequest{
		Namespace: created.Namespace, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: raw},
	})
	if err := mistakes.ToAggregate(); err != nil {
		klog.ErrorS(err, "VPA webhook")
		return
	}
	if len(patches) == 0 {
		return
	}
	if raw, err = json.Marshal(patches); err == nil {
		err = apply(raw, created)
	}
	if err != nil {
		klog.ErrorS(err, "VPA webhook")
	}
}
