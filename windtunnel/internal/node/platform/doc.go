// Package platform is a list of scenarios on the platform in a real cluster, its pods under load and the autoscalers that act on what
// is measured of them: the cluster that KUBECONFIG names, such as that of package node. The tag cluster chooses them. They
// assert what must hold, never how fast it comes about. What the platform's users see is the business of the end-to-end
// scenarios in e2e.
package platform
