package testservers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// Backends are all servers that the six programs need. Several deployments can share them: see [Backends.Settings].
type Backends struct {
	RabbitMQ *RabbitMQ
	Redis    *Redis
	Postgres *Postgres
	MongoDB  *MongoDB
	S3       *S3

	deployments atomic.Int32
}

// StartBackends starts all of them at once, with their files in folders of dir.
func StartBackends(ctx context.Context, dir string) (*Backends, error) {
	b := &Backends{}
	var g errgroup.Group
	for name, start := range map[string]func(dir string) error{
		"rabbitmq": func(dir string) (err error) {
			b.RabbitMQ, err = StartRabbitMQ(ctx, dir, "consumer_timeout = 7200000")
			return err
		},
		"redis":    func(dir string) (err error) { b.Redis, err = StartRedis(ctx, dir); return err },
		"postgres": func(dir string) (err error) { b.Postgres, err = StartPostgres(ctx, dir); return err },
		"mongodb":  func(dir string) (err error) { b.MongoDB, err = StartMongoDB(ctx, dir); return err },
		"s3":       func(dir string) (err error) { b.S3, err = StartS3(ctx, dir); return err },
	} {
		g.Go(func() error {
			dir := filepath.Join(dir, name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("folder of %s: %w", name, err)
			}
			return start(dir)
		})
	}
	if err := g.Wait(); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// Stop stops those that run.
func (b *Backends) Stop() {
	var g errgroup.Group
	stop := func(running bool, stop func()) {
		if running {
			g.Go(func() error { stop(); return nil })
		}
	}
	stop(b.RabbitMQ != nil, b.RabbitMQ.Stop)
	stop(b.Redis != nil, b.Redis.Stop)
	stop(b.Postgres != nil, b.Postgres.Stop)
	stop(b.MongoDB != nil, b.MongoDB.Stop)
	stop(b.S3 != nil, b.S3.Stop)
	_ = g.Wait() // None of them fails.
}

// Settings makes what one more deployment has for itself, a queue, databases and a bucket, and returns the environment variables
// by which the programs find it, without their prefix.
func (b *Backends) Settings(ctx context.Context) (map[string]string, error) {
	n := b.deployments.Add(1)
	database := fmt.Sprintf("captions%d", n)
	conn, err := pgx.Connect(ctx, b.Postgres.URL)
	if err != nil {
		return nil, fmt.Errorf("make a database: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+database)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("make a database: %w", err)
	}
	return map[string]string{
		"QUEUE_URL":    fmt.Sprintf("%s?consumer_timeout=2h&queue=jobs%d&management=%s", b.RabbitMQ.URL, n, b.RabbitMQ.Management),
		"EVENTS_URL":   fmt.Sprintf("redis://%s/%d", b.Redis.Addr, n%16), // Redis has 16 databases.
		"ACCOUNTS_URL": b.Postgres.database(database),
		"STORE_URL":    b.MongoDB.URL(database),
		"S3_BUCKET":    fmt.Sprintf("captions-%d", n), "S3_ENDPOINT": b.S3.Endpoint(), "S3_PATH_STYLE": "true", "S3_CREATE_BUCKET": "true",
		"S3_ACCESS_KEY_ID": b.S3.AccessKey, "S3_SECRET_ACCESS_KEY": b.S3.SecretKey,
	}, nil
}
