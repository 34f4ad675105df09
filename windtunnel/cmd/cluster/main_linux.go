// Command cluster runs a Kubernetes cluster of one node on this machine, as root and without Docker, until it is stopped,
// or until a command has ended that it is given. make cluster and make test-cluster run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"k8s-scalers/windtunnel/internal/node"
)

type cli struct {
	Check  bool     `help:"Only say whether this machine can run a cluster: the exit status is 1 where it cannot."`
	Images []string `help:"Folder of image archives (*.tar) that the node gets; may be given several times."`
	Apply  string   `help:"Folder with a kustomization to apply, whose pods must become ready."`
	With   []string `help:"Autoscalers to run on the node: keda, vpa, prometheus." enum:"keda,vpa,prometheus"`

	Command []string `arg:"" optional:"" passthrough:"" help:"What to run while the cluster is there, with KUBECONFIG set; nothing: wait for Ctrl-C."`
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == node.InitCommand {
		os.Exit(node.Init(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == node.SuperviseCommand {
		os.Exit(node.Supervise(os.Args[2]))
	}
	var c cli
	kong.Parse(&c, kong.Name("cluster"), kong.Description("Runs a Kubernetes cluster of one node on this machine."), kong.UsageOnError())
	status, err := c.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		status = 1
	}
	os.Exit(status)
}

func (c *cli) run() (status int, err error) {
	ctx, free := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer free()
	if c.Check {
		return 0, node.Check(ctx)
	}
	if len(c.Images) == 0 {
		return 0, errors.New("say with --images where the images are of the node's own pods; scripts/node_images.sh makes them")
	}
	var images []string
	for _, dir := range c.Images {
		found, err := filepath.Glob(filepath.Join(dir, "*.tar"))
		if err != nil {
			return 0, err
		}
		if len(found) == 0 {
			return 0, fmt.Errorf("there are no image archives in %s; scripts/node_images.sh makes them", dir)
		}
		images = append(images, found...)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cluster, err := node.Launch(ctx, node.Options{Logger: log, Images: images, With: c.With})
	if err != nil {
		return 0, err
	}
	defer cluster.Stop()
	if c.Apply != "" {
		log.Info("Applying, and waiting until all pods are ready", "folder", c.Apply)
		if err := cluster.Apply(ctx, c.Apply, log); err != nil {
			return 0, err
		}
	}
	if len(c.Command) > 0 {
		return c.command(ctx, cluster)
	}
	fmt.Printf("The cluster is ready; Ctrl-C ends it. In another terminal:\n\n    export KUBECONFIG=%s\n\nPorts of the node are at %s.\n", cluster.Kubeconfig, cluster.Address)
	select {
	case <-ctx.Done():
		return 0, nil
	case <-cluster.Done():
		return 0, errors.New("the cluster has ended by itself")
	}
}

// command runs what is given, which is asked to end as the cluster is.
func (c *cli) command(ctx context.Context, cluster *node.Cluster) (int, error) {
	words := c.Command
	if words[0] == "--" {
		words = words[1:]
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "CLUSTER_ADDRESS="+cluster.Address)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", strings.Join(words, " "), err)
	}
	return 0, nil
}
