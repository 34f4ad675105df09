// Package cloud is the model of where nodes come from: which instance types there are, what pods can use of them, what they
// cost, how long they take to boot, how the price of spot capacity moves and when it is taken away. It holds formulas and
// parameters, and draws from random numbers that it is given; it starts no nodes and keeps no time.
//
// Types and prices are those of Amazon EC2 in us-east-1, on demand, July 2026. The division of a node's memory and CPU is
// that of Amazon EKS; see Type.Allocatable for the formula.
package cloud
