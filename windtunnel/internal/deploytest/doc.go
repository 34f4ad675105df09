// Package deploytest has nothing but tests: of what is in deploy/ beside the scaling policies, which package lint tests. That
// every folder builds and fits its schemas, that every metric that is asked for is one that somebody exports, that the
// alerts fire when they should, and that the rules of prometheus-adapter give what the HPAs take.
package deploytest
