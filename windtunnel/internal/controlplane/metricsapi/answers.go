package metricsapi

import (
	"maps"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// window is what figures are said to be averages over: shorter than the shortest life of a pod in a test.
const window = time.Second

// usage answers as metrics-server does, of one namespace or of all.
func (h handler) usage(w http.ResponseWriter, r *http.Request) {
	pods, err := h.pods(r)
	if err != nil {
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		return
	}
	byNamespace := map[string][]corev1.Pod{}
	for _, pod := range pods {
		byNamespace[pod.Namespace] = append(byNamespace[pod.Namespace], pod)
	}
	list := v1beta1.PodMetricsList{
		TypeMeta: metav1.TypeMeta{Kind: "PodMetricsList", APIVersion: "metrics.k8s.io/v1beta1"}, Items: []v1beta1.PodMetrics{},
	}
	for namespace, pods := range byNamespace {
		usage := h.source.Usage(namespace, pods)
		for _, pod := range pods {
			containers, ok := usage[pod.Name]
			if !ok {
				continue
			}
			m := v1beta1.PodMetrics{
				ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace, Labels: pod.Labels},
				Timestamp:  metav1.Now(), Window: metav1.Duration{Duration: window},
			}
			for _, name := range slices.Sorted(maps.Keys(containers)) {
				m.Containers = append(m.Containers, v1beta1.ContainerMetrics{Name: name, Usage: containers[name]})
			}
			list.Items = append(list.Items, m)
		}
	}
	reply(w, list)
}

// podMetric answers as prometheus-adapter does for all pods that match a selector.
func (h handler) podMetric(w http.ResponseWriter, r *http.Request) {
	pods, err := h.pods(r)
	if err != nil {
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		return
	}
	namespace, metric := r.PathValue("namespace"), r.PathValue("metric")
	values := h.source.PodMetric(namespace, metric, pods)
	if len(values) == 0 {
		missing(w, metric+" of pods")
		return
	}
	list := newValues()
	for _, pod := range pods {
		if value, ok := values[pod.Name]; ok {
			list.Items = append(list.Items, v1beta2.MetricValue{
				DescribedObject: corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, Namespace: namespace},
				Metric:          v1beta2.MetricIdentifier{Name: metric}, Timestamp: metav1.Now(), Value: value,
			})
		}
	}
	reply(w, list)
}

// objectMetric answers for one object.
func (h handler) objectMetric(w http.ResponseWriter, r *http.Request) {
	namespace, kind, name, metric := r.PathValue("namespace"), r.PathValue("kind"), r.PathValue("name"), r.PathValue("metric")
	value, ok := h.source.ObjectMetric(namespace, kind, name, metric)
	if !ok {
		missing(w, metric+" of "+kind+" "+name)
		return
	}
	list := newValues()
	list.Items = append(list.Items, v1beta2.MetricValue{
		DescribedObject: corev1.ObjectReference{Name: name, Namespace: namespace},
		Metric:          v1beta2.MetricIdentifier{Name: metric}, Timestamp: metav1.Now(), Value: value,
	})
	reply(w, list)
}

func newValues() v1beta2.MetricValueList {
	return v1beta2.MetricValueList{TypeMeta: metav1.TypeMeta{Kind: "MetricValueList", APIVersion: "custom.metrics.k8s.io/v1beta2"}}
}

// externalMetric answers for something outside the cluster.
func (h handler) externalMetric(w http.ResponseWriter, r *http.Request) {
	metric := r.PathValue("metric")
	value, ok := h.source.ExternalMetric(r.PathValue("namespace"), metric)
	if !ok {
		missing(w, metric)
		return
	}
	reply(w, external.ExternalMetricValueList{
		TypeMeta: metav1.TypeMeta{Kind: "ExternalMetricValueList", APIVersion: "external.metrics.k8s.io/v1beta1"},
		Items:    []external.ExternalMetricValue{{MetricName: metric, Timestamp: metav1.Now(), Value: value}},
	})
}
