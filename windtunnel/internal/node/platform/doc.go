// Package platform is a list of scenarios on the platform in a real cluster: the one that KUBECONFIG names, such as that of package
// node. The tag cluster chooses them. They assert what must hold, never how fast it comes about. What the platform's users
// see is the business of the end-to-end scenarios in e2e.
package platform
