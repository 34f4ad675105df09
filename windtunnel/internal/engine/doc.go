// Package engine puts a run together: it fills a cluster with the manifests, starts the real controllers, and then lets time
// pass second by second. Within a second everything has its turn, one after the other, and after each turn the engine waits
// until all goroutines of the bubble wait again; only then does the next one begin. The controllers' own timers run half a
// second apart from that. So nothing depends on which goroutine was faster, and a run is the same on any number of cores.
package engine
