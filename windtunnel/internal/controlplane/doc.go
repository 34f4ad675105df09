// Package controlplane runs a real Kubernetes control plane for tests: etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler, unmodified, each a process of its own out of one program, set up as kubeadm does it: RBAC, service
// accounts, the aggregation layer. It is ready in seconds, keeps all its files in one folder, listens on the loopback
// address alone, and is gone when it is closed or when the process that started it is killed.
//
// There are no nodes: whoever wants pods that run adds something that stands in for kubelets. The autoscalers that are
// proven against it, and what they are asked to do, live in package proof.
package controlplane
