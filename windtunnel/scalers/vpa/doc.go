// Package vpa runs the Vertical Pod Autoscaler over a cluster in memory: its recommender as a whole, the handler of its admission
// webhook, and its updater's order, thresholds, restrictions and evictions, all unmodified. VerticalPodAutoscalers are kept here, where
// the recommender writes its recommendations.
//
// One part is written here to the updater's rules: the loop over VerticalPodAutoscalers and pods that calls the rest. The
// updater's own can be made by one constructor only, which starts a watch that never ends, and a bubble of virtual time must
// end.
package vpa
