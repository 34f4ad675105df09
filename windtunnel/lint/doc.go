// Package lint finds mistakes in what will be applied to a cluster together: autoscalers that contradict each other, that
// have nothing to act on, or that will not do what their author meant. Each finding says why it is a mistake and how to
// mend it, and names every object that takes part. What one object alone may contain is checked against its schema by
// package manifest.
package lint
