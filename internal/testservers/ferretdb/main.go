// Command ferretdb speaks the protocol of MongoDB over SQLite files in a folder. It is a stand-in for the tests of this
// project, because MongoDB's own server is not in Debian and its licence lets few install it; it is FerretDB 1.24, whose
// later versions need a PostgreSQL extension that is not in Debian either.
//
//	ferretdb 127.0.0.1:27017 /path/to/folder
//
// What a test of the real server would show, and one of this cannot:
//
//   - FerretDB reads a document, changes it and writes it back without anything that holds others off, so that of two
//     updates at a time one is lost. The real server's updates of single documents are atomic. So this program lets one
//     request at a time through to FerretDB, its reply included. That makes single commands atomic, as they are there,
//     and also hides what could only go wrong between commands that overlap inside the server.
//   - There is one node: nothing about elections, roll-backs, read preferences and write concerns is put to the test.
//   - Queries run without the indexes that were asked for, but for unique ones and those on _id.
//   - There are no sessions, transactions, TTL, partial or text indexes, nor change streams. The project uses none.
//
// A kill -9 loses nothing that was acknowledged: SQLite commits each write to its log before the reply, and syncs the log,
// so that a power cut loses nothing either. One thing is not safe: a server that is killed in the moment in which it makes
// the database or a collection may not start again on that folder. The indexes of a collection are made one by one.
//
// This is a module of its own, so that nothing of FerretDB is among the dependencies of the services.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb HOST:PORT FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until the process is asked to stop.
func run(addr, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:  "sqlite",
		// FULL is what SQLite does anyway; it is named because the promise above rests on it.
		SQLiteURL: "file:" + dir + "/?_pragma=synchronous(full)",
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		behind, err := url.Parse(server.MongoDBURI()) // It waits for Run.
		if err != nil {
			panic(err) // FerretDB has made it of its own address.
		}
		p := &proxy{listener: listener, behind: behind.Host}
		p.serve()
	}()
	err = server.Run(ctx)
	_ = listener.Close() // The process ends.
	return err
}
