// Package karpenter runs Karpenter's own provisioning and disruption, unmodified, over a cluster in memory: what it decides
// about NodeClaims, from the pods that have no node to the drain of a node that costs more than it is worth. The cloud
// behind it is the catalogue of package cloud, offered under the labels of Karpenter's AWS provider.
//
// What is written here is what the controller manager of the original does: it calls each reconciler when something that it
// watches has changed or when it asked to be called again, one after the other, so that a run can be repeated. The windows
// in which pods are batched (1 s without a new one, at most 10 s) are kept here for the same reason.
//
// Karpenter leaves the choice between zones that are equally good to the order of a Go map. Offer it one zone only, and have no other nodes in
// another: it counts their zones, too.
package karpenter
