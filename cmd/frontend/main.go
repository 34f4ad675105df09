// Command frontend serves the web page.
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
	var s config.Frontend
	os.Exit(compose.Program{
		Name: "frontend", Version: version, Settings: &s, Process: &s.Process, Public: &s.Public,
		Build: func(ctx context.Context, p *compose.Process) error { return build(ctx, p, s) },
	}.Main(os.Args[1:]))
}

func build(ctx context.Context, p *compose.Process, s config.Frontend) error {
	gateway, err := compose.Hops(s.Behind)
	if err != nil {
		return err
	}
	if s.BucketName == "" {
		p.Log.WarnContext(ctx, "No bucket is set, so the page may send videos to no other address than its own. Set CAPTIONS_S3_BUCKET, and the settings beside it, as for upload-service.")
	}
	h, err := p.Frontend(ctx, s.Bucket, gateway)
	if err != nil {
		return err
	}
	return p.Serve("frontend", s.Public, h)
}
