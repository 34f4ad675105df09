package engine

import (
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// slim leaves out of a Deployment what costs time and has no effect here.
func slim(d *appsv1.Deployment) {
	slimPod(&d.Spec.Template.Spec)
	// When it is exceeded, a condition says so and nothing else happens. With a deadline, the controller looks ten times a second at a
	// Deployment whose last rollout was longer ago and that waits for pods after it was scaled up.
	never := int32(math.MaxInt32)
	d.Spec.ProgressDeadlineSeconds = &never
}

// slimPod leaves out of a pod what is not modelled and has no part in where the pod can run: most volumes, variables, ports inside the pod,
// security, commands and the probes that never fail. Controllers copy and compare the templates of pods all the time, and the
// templates of real manifests are mostly that; without it a day of many pods takes a fraction of the time.
func slimPod(pod *corev1.PodSpec) {
	// Cluster Autoscaler asks for storage that is lost with the node.
	pod.Volumes = slices.DeleteFunc(pod.Volumes, func(v corev1.Volume) bool { return v.EmptyDir == nil && v.HostPath == nil })
	pod.SecurityContext, pod.ImagePullSecrets, pod.ServiceAccountName = nil, nil, ""
	pod.AutomountServiceAccountToken, pod.EnableServiceLinks, pod.DNSConfig, pod.HostAliases = nil, nil, nil, nil
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			c := &containers[i]
			kept := corev1.Container{
				Name: c.Name, Image: c.Image, Resources: c.Resources, ResizePolicy: c.ResizePolicy, RestartPolicy: c.RestartPolicy, ReadinessProbe: c.ReadinessProbe,
			}
			for _, port := range c.Ports {
				if port.HostPort != 0 {
					kept.Ports = append(kept.Ports, port)
				}
			}
			if l := c.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
				kept.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: l.PreStop.Sleep}}
			}
			*c = kept
		}
	}
}
