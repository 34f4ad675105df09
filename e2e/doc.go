// Package e2e is one list of end-to-end scenarios that drive a whole deployment from outside, as its users do: over HTTP, with
// real videos. A deployment is an implementation of [Deployment] in the tests; the list and everything it uses do not
// know which one they run on. Every exchange with the API is held to the OpenAPI document of package api.
// What a single package promises is tested in that package.
package e2e
