// Package cpa decides as Cluster Proportional Autoscaler does: so many replicas for so many nodes and cores, by the mode
// linear or ladder of its ConfigMap. Its module cannot be imported, so the rules are written here and held to decisions
// and errors that were recorded from the original (testdata/cpa.json says from which commit, and how).
//
// Nothing here reads a cluster, keeps time or scales anything. Whoever runs it looks at the nodes every PollPeriod,
// reads the ConfigMap when it changed, and sets what Replicas says; while a changed ConfigMap is refused, the original
// leaves the replicas alone.
package cpa
