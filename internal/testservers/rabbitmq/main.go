// Command rabbitmq runs the RabbitMQ of package testservers for tests of other modules. It prints the addresses of a
// server that has started as a line of JSON; then it obeys the lines "stop" and "start" on its standard input, and answers each with
// a line that says what it has done. At the end of the input it stops the server and ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"k8s-scalers/internal/testservers"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: rabbitmq FOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rabbitmq:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	server, err := testservers.StartRabbitMQ(ctx, dir)
	if err != nil {
		return err
	}
	defer server.Stop()
	addresses := struct {
		URL        string `json:"url"`
		Management string `json:"management"`
	}{server.URL, server.Management}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return err
	}
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		switch order := orders.Text(); order {
		case "stop":
			server.Stop()
			fmt.Println("stopped")
		case "start":
			if err := server.Start(ctx); err != nil {
				return err
			}
			fmt.Println("started")
		default:
			return errors.New("there is no order " + order)
		}
	}
	return orders.Err()
}
