package compose

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/backend"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/telemetry"
)

// Exit codes of the programs, the same as those of the command captions.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // a setting is wrong
)

// Program is a service in a process of its own.
type Program struct {
	Name, Version string
	// Settings is a pointer to its struct of package config, of which Process and Public are parts. Public is nil for a program
	// that answers no requests.
	Settings any
	Process  *config.Process
	Public   *config.Public
	// Build puts the program together when the settings are read.
	Build func(ctx context.Context, p *Process) error
}

// Main runs the program until a signal ends it, and returns its exit code.
func (g Program) Main(args []string) int {
	if len(args) > 0 {
		return g.help(args[0])
	}
	err := g.run()
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", g.Name, message(err))
	if caption.CodeOf(err) == "bad_settings" {
		return exitUsage
	}
	return exitFailed
}

func (g Program) help(arg string) int {
	switch arg {
	case "--version":
		fmt.Println(g.Name, g.Version)
		return exitOK
	case "--help":
		fmt.Printf("%s takes no arguments besides --help and --version. These environment variables are its settings:\n\n", g.Name)
		return written(config.WriteProgram(os.Stdout, g.Settings))
	}
	fmt.Fprintf(os.Stderr, "%s: %q is not known. Settings are environment variables: see %s --help.\n", g.Name, arg, g.Name)
	return exitUsage
}

func written(err error) int {
	if err != nil {
		return exitFailed
	}
	return exitOK
}

func (g Program) run() (err error) {
	if err := config.Load(g.Settings); err != nil {
		return err
	}
	log, err := telemetry.NewLogger(os.Stderr, g.Process.LogLevel, g.Process.LogFormat)
	if err != nil {
		return err
	}
	log = log.With("program", g.Name)
	backend.LogTo(log)
	slog.SetDefault(log) // for libraries, and for errors that are rendered where no logger is at hand
	signalled, free := app.Signals(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer free()
	ctx, stop := context.WithCancelCause(signalled)
	defer stop(nil)

	p := &Process{Log: log, Reg: telemetry.NewRegistry(g.Name, g.Version), Stop: stop}
	o := app.Options{
		Name: g.Name, Logger: log, Gatherer: p.Reg, AdminAddr: g.Process.AdminAddr,
		AddrSetting: "CAPTIONS_ADDR", AdminAddrSetting: "CAPTIONS_ADMIN_ADDR",
	}
	if g.Public != nil {
		o.DrainPause = g.Public.DrainPause
	}
	if p.App, err = app.New(o); err != nil {
		return err
	}
	stopTracing, err := telemetry.StartTracing(ctx, g.Name, g.Version, log)
	if err != nil {
		return errors.Join(err, p.App.Close())
	}
	p.App.OnClose("traces", 5*time.Second, stopTracing)
	if err := g.Build(ctx, p); err != nil {
		return errors.Join(err, p.App.Close())
	}
	log.InfoContext(ctx, "starting", "version", g.Version)
	return p.App.Run(ctx)
}

// message is what an operator is told of an error: the text for users where there is one, and the cause.
func message(err error) string {
	e, ok := errors.AsType[*caption.Error](err)
	if !ok || e.Kind == caption.KindInternal {
		return err.Error()
	}
	return e.Message
}

// Hops reads the addresses of the gateway.
func Hops(s config.Behind) (httpapi.Hops, error) { return httpapi.ParseHops(s.GatewayAddresses...) }
