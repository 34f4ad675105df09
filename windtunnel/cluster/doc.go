// Package cluster is a Kubernetes cluster in memory, for controllers that run in virtual time: the API (a store with
// resource versions, conflicts, status subresources, finalizers, graceful deletion, binding and eviction, reached through
// client-go's fake clientset), a stand-in for the kubelet, and nodes.
//
// Two rules make runs repeatable although controllers run on several cores. What the API makes up (names, UIDs, creation
// times) depends on the owner and on how many came before from the same owner, never on who called first. And lists are
// sorted. The rest is up to whoever drives the cluster: change things only when everything else waits.
package cluster
