// Command gateway-service is the one entry for clients: it verifies, limits and passes on their requests.
package main

import (
	"context"
	"os"

	"k8s-scalers/internal/compose"
	"k8s-scalers/internal/config"
)

// version is set by the linker; see the Makefile.
var version = "dev"

func main() {
	var s config.GatewayService
	os.Exit(compose.Program{
		Name: "gateway-service", Version: version, Settings: &s, Process: &s.Process, Public: &s.Public,
		Build: func(_ context.Context, p *compose.Process) error { return build(p, s) },
	}.Main(os.Args[1:]))
}

func build(p *compose.Process, s config.GatewayService) error {
	shared, err := p.Limits(s.EventsURL)
	if err != nil {
		return err
	}
	h, err := p.Gateway(compose.Services{
		Auth: s.AuthURL.URL(), Upload: s.UploadURL.URL(), Caption: s.CaptionURL.URL(), Frontend: s.FrontendURL.URL(),
	}, compose.Verifier(s.AuthURL), shared, s.Gateway)
	if err != nil {
		return err
	}
	return p.Serve("gateway", s.Public, h)
}
