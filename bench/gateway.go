package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s-scalers/internal/testservers"
)

// connections is how many clients ask at the same time, each again as soon as it has its answer.
const connections = 64

// The peers are the servers that people put before services of this kind. All three pass the same request on to the same
// upstream over connections that are kept, and none of them logs it.
const (
	upstreamConfig = `
server { listen %[1]s; location / { default_type application/json; return 200 '{"items":[],"next_cursor":null}'; } }
`
	// nginx cannot verify tokens of this kind itself: it asks auth-service about each request's.
	authRequestConfig = `
map $http_authorization $token { "~^Bearer (?<bearer>.+)$" $bearer; }
upstream service { server %[2]s; keepalive 64; keepalive_requests 1000000; }
upstream auth { server %[3]s; keepalive 64; keepalive_requests 1000000; }
server {
	listen %[1]s;
	proxy_http_version 1.1;
	proxy_set_header Connection "";
	location / { auth_request /validate; proxy_pass http://service; }
	location = /validate {
		internal;
		proxy_method POST;
		proxy_set_header Connection "";
		proxy_set_header Content-Type application/json;
		proxy_set_body '{"token":"$token"}';
		proxy_pass http://auth/api/v1/auth/validate;
	}
}
`
	nginxConfig = `
daemon off;
worker_processes %[3]d;
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	keepalive_requests 1000000;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	%[2]s
}
`
	caddyConfig = `{
	admin off
	auto_https off
}
http://%[1]s {
	reverse_proxy %[2]s
}
`
)

// measureGateway asks for a list, with a token, through the gateway, which verifies the token itself; through nginx, which
// asks auth-service by auth_request; and through Caddy, which looks at no token. The figure is requests per second as wrk
// counts them; wrk, the proxy and what is behind it share the cores.
func measureGateway(ctx context.Context, l *lab) (rows []row, err error) {
	p, err := l.platform(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	addrs := make([]string, 3)
	for i := range addrs {
		if addrs[i], err = testservers.FreeAddr(); err != nil {
			return nil, err
		}
	}
	upstream, nginx, caddy := addrs[0], addrs[1], addrs[2]
	p.settings["CAPTION_URL"] = "http://" + upstream
	if _, err := p.start(ctx, "auth-service", "gateway-service"); err != nil {
		return nil, err
	}
	for _, start := range []func() (stop func(), err error){
		func() (func(), error) { return l.nginx(ctx, upstream, fmt.Sprintf(upstreamConfig, upstream)) },
		func() (func(), error) {
			return l.nginx(ctx, nginx, fmt.Sprintf(authRequestConfig, nginx, upstream, p.addrs["auth-service"]))
		},
		func() (func(), error) { return l.caddy(ctx, caddy, fmt.Sprintf(caddyConfig, caddy, upstream)) },
	} {
		stop, err := start()
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	u, err := signUp(ctx, p.entry(), 0)
	if err != nil {
		return nil, err
	}
	length := 10 * time.Second
	if l.quick {
		length = 2 * time.Second
	}
	servers := []string{p.addrs["gateway-service"], nginx, caddy}
	perSecond := make([][]float64, len(servers))
	for range l.rounds() {
		for i, addr := range servers {
			n, err := wrk(ctx, "http://"+addr+"/api/v1/captions", u.session.token(), length)
			if err != nil {
				return nil, err
			}
			perSecond[i] = append(perSecond[i], n)
		}
	}
	ours, withAuth, plain := median(perSecond[0]), median(perSecond[1]), median(perSecond[2])
	what := fmt.Sprintf("gateway, authenticated GET, %d connections", connections)
	result := func(ratio float64) string { return fmt.Sprintf("%.2f times (%.0f a second)", ratio, ours) }
	return []row{
		{what, fmt.Sprintf("nginx with auth_request: %.0f a second", withAuth), "≥ 3 times as many", result(ours / withAuth), verdictOf(ours >= 3*withAuth)},
		{what, fmt.Sprintf("Caddy without authentication: %.0f a second", plain), "≥ 1.0 times as many", result(ours / plain), verdictOf(ours >= plain)},
	}, nil
}

// nginx starts an nginx of our own with a configuration.
func (l *lab) nginx(ctx context.Context, addr, config string) (stop func(), err error) {
	dir, err := os.MkdirTemp(l.dir, "nginx-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, config, cores), 0o600); err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	return l.peerServer(ctx, addr, dir, "nginx", "-p", dir, "-c", file)
}

// caddy starts a Caddy of our own with a configuration.
func (l *lab) caddy(ctx context.Context, addr, config string) (stop func(), err error) {
	dir, err := os.MkdirTemp(l.dir, "caddy-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure Caddy: %w", err)
	}
	return l.peerServer(ctx, addr, dir, "caddy", "run", "--adapter", "caddyfile", "--config", file)
}

// peerServer starts a server that is not ours, with its files in dir, and waits until it answers.
func (l *lab) peerServer(ctx context.Context, addr, dir, name string, args ...string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, name, args...)
	cmd.Env = append(cmd.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		_, failure = output(cmd)
	}()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("make request: %w", err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close() // It answers; what, does not matter.
			return func() { cancel(); <-ended }, nil
		}
		select {
		case <-ended:
			cancel()
			return nil, fmt.Errorf("%s ended: %w", name, failure)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// wrk asks an address for as long as it is told and returns how many good answers there were a second.
func wrk(ctx context.Context, url, token string, length time.Duration) (perSecond float64, err error) {
	out, err := command(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), fmt.Sprintf("-d%.0fs", length.Seconds()), "-H", "Authorization: Bearer "+token, url).Output()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, tail(string(out)))
	}
	return parseWrk(string(out))
}

func parseWrk(report string) (perSecond float64, err error) {
	for line := range strings.Lines(report) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "Non-2xx or 3xx responses", "Socket errors":
			return 0, fmt.Errorf("wrk counted answers that are no success: %s", strings.TrimSpace(line))
		case "Requests/sec":
			if perSecond, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
				return 0, fmt.Errorf("read the report of wrk: %w", err)
			}
		}
	}
	if perSecond == 0 {
		return 0, fmt.Errorf("wrk counted nothing: %s", tail(report))
	}
	return perSecond, nil
}
