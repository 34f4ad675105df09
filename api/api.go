// Package api holds the description of the HTTP interface, an OpenAPI 3.1 document, as written for the authors of
// clients. The services do not read it; the end-to-end tests hold every request and response to it.
package api

import _ "embed"

// OpenAPI is the document, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
