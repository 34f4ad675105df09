// Command versitygw is an S3 server in a process of its own, for tests and for developers: versitygw over a folder, as package
// embeddeds3 runs it within other processes. It is started with the address to listen on and the folder, and takes its keys from
// the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/blob/embeddeds3"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "versitygw:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("give an address such as 127.0.0.1:9000, and a folder")
	}
	ctx, free := app.Signals(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer free()
	s, err := embeddeds3.New(embeddeds3.Config{
		Listen: args[0], Dir: args[1], AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
