// Command upload-service takes uploads of videos.
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
	var s config.UploadService
	os.Exit(compose.Program{
		Name: "upload-service", Version: version, Settings: &s, Process: &s.Process, Public: &s.Public,
		Build: func(ctx context.Context, p *compose.Process) error { return build(ctx, p, s) },
	}.Main(os.Args[1:]))
}

func build(ctx context.Context, p *compose.Process, s config.UploadService) error {
	gateway, err := compose.Hops(s.Behind)
	if err != nil {
		return err
	}
	store, err := p.Store(ctx, s.StoreURL)
	if err != nil {
		return err
	}
	bucket, err := p.Bucket(ctx, s.S3)
	if err != nil {
		return err
	}
	return p.Serve("upload", s.Public, p.Upload(store, bucket, compose.Verifier(s.AuthURL), s.Uploads, gateway))
}
