// Package cas decides as Cluster Autoscaler does: which node groups grow for pods that fit nowhere, and which nodes go
// because little runs on them. Its module cannot be imported, so the rules are written here, over the real plugins of
// kube-scheduler, and held to decisions that were recorded from the original (testdata/cas.json says from which commit,
// and how).
//
// An Autoscaler keeps no time and reads no cluster: whoever owns it calls Step every scan interval and Advance whenever
// Wake says, and gives it a Cluster to look at and to act on. Where the original leaves something to the order of a Go map
// or to a race between goroutines, the order here is by name, and ties between groups are drawn from the random numbers
// that the owner gives, so that the same run gives the same decisions.
//
// Not here: storage (volumes of a pod do not restrict where it goes), GPUs and dynamic resources, the price and gRPC
// expanders, node groups that the original creates itself or scales all or nothing, ProvisioningRequests and buffers.
package cas
