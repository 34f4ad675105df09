// Command captions turns videos into captions: on its own (transcribe), as a server with a web page (serve), and as a
// client of such a server (login, submit, list, result, logout).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
)

// version is set by the linker; see the Makefile.
var version = "dev"

// Exit codes, documented in the help.
const (
	exitOK          = 0
	exitFailed      = 1   // at least one file or request failed
	exitUsage       = 2   // wrong command line or settings
	exitInterrupted = 130 // Ctrl-C
)

const description = `Captions for videos, on one machine or on many.

  captions transcribe talk.mp4              write talk.vtt beside the video
  captions serve                            serve the web page on http://localhost:8080
  captions submit talk.mp4 --wait -f srt    send a video to a server and fetch its captions

Exit codes: 0 all went well; 1 at least one file or request failed (each with a line on standard error);
2 the command line or a setting is wrong; 130 interrupted.`

type cli struct {
	Transcribe transcribeCmd `cmd:"" help:"Caption files here, without a server."`
	Serve      serveCmd      `cmd:"" help:"Run the server and its web page, with all data in one folder."`

	DeadLetters deadLettersCmd `cmd:"" help:"List, retry or drop tasks that were given up."`

	Login  loginCmd  `cmd:"" help:"Sign in at a server." group:"Client"`
	Submit submitCmd `cmd:"" help:"Send files to a server to be captioned." group:"Client"`
	List   listCmd   `cmd:"" help:"List your videos at the server, newest first, or search in them." group:"Client"`
	Result resultCmd `cmd:"" help:"Fetch the captions of a job." group:"Client"`
	Logout logoutCmd `cmd:"" help:"Sign out." group:"Client"`
	Load   loadCmd   `cmd:"" help:"Make load on a server, and measure it." group:"Client"`

	Version         versionCmd                   `cmd:"" help:"Show the version."`
	Completion      kongplete.InstallCompletions `cmd:"" help:"Print what makes your shell complete the commands of captions."`
	ConfigReference referenceCmd                 `cmd:"" hidden:"" help:"Print the reference of all settings in Markdown."`
}

// env is what a command runs in.
type env struct {
	ctx            context.Context
	stdin          *os.File
	stdout, stderr io.Writer
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := app.Signals(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("captions"), kong.Description(description), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}), kong.ExplicitGroups(nil))
	if err != nil {
		fmt.Fprintln(os.Stderr, "captions:", err)
		return exitUsage
	}
	kongplete.Complete(parser)
	if len(args) == 0 {
		if kctx, err := kong.Trace(parser, nil); err == nil {
			_ = kctx.PrintUsage(false) // The exit code says enough.
		}
		return exitUsage
	}
	kctx, err := parser.Parse(args)
	if err != nil {
		if pe, ok := errors.AsType[*kong.ParseError](err); ok {
			fmt.Fprintf(os.Stderr, "captions: %v\nSee: %s --help\n", err, strings.TrimSpace("captions "+commandOf(pe)))
			return exitUsage
		}
		fmt.Fprintln(os.Stderr, "captions:", err)
		return exitUsage
	}
	err = kctx.Run(&env{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr})
	return exitCode(ctx, err, os.Stderr)
}

func commandOf(pe *kong.ParseError) string {
	if pe.Context != nil {
		return strings.TrimSpace(strings.SplitN(pe.Context.Command()+" ", " ", 2)[0])
	}
	return ""
}

// errReported says that a command failed and has told the user why.
var errReported = errors.New("reported")

func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "captions: interrupted")
		return exitInterrupted
	case errors.Is(err, errReported):
		return exitFailed
	}
	fmt.Fprintln(stderr, "captions:", userText(err))
	if caption.CodeOf(err) == "bad_settings" || caption.CodeOf(err) == "usage" {
		return exitUsage
	}
	return exitFailed
}

// userText is what a user is told of an error: the message alone where there is one.
func userText(err error) string {
	if e, ok := errors.AsType[*caption.Error](err); ok && e.Kind != caption.KindInternal {
		return e.Message
	}
	return err.Error()
}

func usage(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, format, args...).WithCode("usage")
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, "captions", version)
	return err
}

type referenceCmd struct{}

func (referenceCmd) Run(e *env) error { return config.WriteReference(e.stdout) }
