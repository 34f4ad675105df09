// Command services runs the whole deployment of six programs on one machine, for developers: the servers that it needs, on
// private ports, and the programs, with their logs in one stream. A program that ends is started again, as Kubernetes would. All
// data is in a temporary folder, and gone at the end, when nothing is left running. make services runs it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s-scalers/internal/app"
	"k8s-scalers/internal/testservers"
)

// names are the programs; the one at the entry comes last.
var names = []string{"auth-service", "upload-service", "caption-service", "caption-worker", "frontend", "gateway-service"}

func main() {
	addr := flag.String("addr", "localhost:8080", "where the page and the API are served")
	flag.Parse()
	ctx, free := app.Signals(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr)
	free()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string) error {
	dir, err := os.MkdirTemp("", "captions-services-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()     // It lies in the folder of temporary files.
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user.
		return err
	}
	say("Building the programs, starting RabbitMQ, Redis, PostgreSQL, a MongoDB stand-in and an S3 server …")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "bin")+"/", "k8s-scalers/cmd/...")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	backends, err := testservers.StartBackends(ctx, filepath.Join(dir, "backends"))
	if err != nil {
		return err
	}
	defer backends.Stop()
	settings, err := backends.Settings(ctx)
	if err != nil {
		return err
	}
	addrs := map[string]string{"gateway-service": addr}
	for _, name := range names {
		if addrs[name] == "" {
			if addrs[name], err = testservers.FreeAddr(); err != nil {
				return err
			}
		}
	}
	maps.Copy(settings, map[string]string{
		"AUTH_URL": "http://" + addrs["auth-service"], "UPLOAD_URL": "http://" + addrs["upload-service"],
		"CAPTION_URL": "http://" + addrs["caption-service"], "FRONTEND_URL": "http://" + addrs["frontend"],
		"DRAIN_PAUSE": "0s", "WORK_DIR": filepath.Join(dir, "work"), "LOG_FORMAT": "text",
	})

	var out sync.Mutex
	var running sync.WaitGroup
	defer running.Wait()
	admins := map[string]string{}
	for _, name := range names {
		if admins[name], err = testservers.FreeAddr(); err != nil {
			return err
		}
		p := &program{name: name, path: filepath.Join(dir, "bin", name), out: &out, env: environment(settings, addrs[name], admins[name])}
		running.Go(func() { p.keep(ctx) })
	}
	for _, name := range names {
		if err := await(ctx, admins[name]); err != nil {
			return err
		}
	}
	for _, name := range names {
		say(fmt.Sprintf("Metrics of %s: http://%s/metrics", name, admins[name]))
	}
	say("captions is ready on http://" + addr + " — Ctrl-C stops everything.")
	<-ctx.Done()
	say("Stopping …")
	return nil
}

func say(text string) { fmt.Println(text) }

func environment(settings map[string]string, addr, admin string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return slices.Contains(slices.Collect(maps.Keys(settings)), nameOf(kv)) })
	for k, v := range settings {
		env = append(env, "CAPTIONS_"+k+"="+v)
	}
	return append(env, "CAPTIONS_ADDR="+addr, "CAPTIONS_ADMIN_ADDR="+admin)
}

// nameOf is the name of a variable, without the prefix.
func nameOf(kv string) string {
	name, _, _ := strings.Cut(kv, "=")
	return strings.TrimPrefix(name, "CAPTIONS_")
}

// await waits until a program says that it is ready.
func await(ctx context.Context, admin string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close() // Nothing is read from it.
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// program is one of the programs.
type program struct {
	name, path string
	env        []string
	out        *sync.Mutex // for whole lines
}

// keep runs the program until ctx ends, again and again.
func (p *program) keep(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		p.line(fmt.Sprintf("ended: %v; starting it again", err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (p *program) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, p.path)
	cmd.Env = p.env
	// Ctrl-C is for us alone, so that programs end before the servers that they need.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	var copied sync.WaitGroup
	copied.Go(func() {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.line(lines.Text())
		}
		_ = r.CloseWithError(lines.Err()) // The program is not to wait for a reader who has gone.
	})
	err := cmd.Run()
	_ = w.Close() // It never fails.
	copied.Wait()
	return err
}

func (p *program) line(text string) {
	p.out.Lock()
	defer p.out.Unlock()
	fmt.Printf("%-15s | %s\n", p.name, text)
}
