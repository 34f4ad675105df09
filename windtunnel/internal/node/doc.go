// Package node runs a whole Kubernetes cluster of one node on this machine, as root and without Docker: the control plane of
// package controlplane, and beside it containerd, kubelet and kube-proxy, with CoreDNS and metrics-server as pods.
//
// All of it lives in namespaces of its own, of processes, mounts and network, behind one first process. When that process
// ends, however it ends, the kernel ends every other and takes down every mount and interface. What is left on the machine
// then is a folder and empty cgroups, which the end removes, or the next start when everything was killed at once.
//
// Three processes of one program make it: the front, which the user started and which stays outside ([Launch]); the first
// process inside, which only adopts orphans and clears up ([Init]); and the one that starts and watches the parts
// ([Supervise]). What else is run on the cluster is the business of its users.
package node
