// Command auth-service signs users up and in, and issues and validates their tokens.
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
	var s config.AuthService
	os.Exit(compose.Program{
		Name: "auth-service", Version: version, Settings: &s, Process: &s.Process, Public: &s.Public,
		Build: func(ctx context.Context, p *compose.Process) error { return build(ctx, p, s) },
	}.Main(os.Args[1:]))
}

func build(ctx context.Context, p *compose.Process, s config.AuthService) error {
	gateway, err := compose.Hops(s.Behind)
	if err != nil {
		return err
	}
	accounts, err := p.Accounts(ctx, s.AccountsURL)
	if err != nil {
		return err
	}
	shared, err := p.Shared(s.EventsURL)
	if err != nil {
		return err
	}
	h, err := p.Auth(accounts, shared, gateway)
	if err != nil {
		return err
	}
	return p.Serve("auth", s.Public, h)
}
