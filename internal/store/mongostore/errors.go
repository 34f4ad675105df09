package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"k8s-scalers/internal/caption"
)

// codeOutOfDiskSpace is the code of the server's error.
const codeOutOfDiskSpace = 14031

// awayCodes say that the server cannot serve now: it starts, stops, or another member of its set is being elected.
var awayCodes = []int{
	6, 7, 50, 64, 89, 91, 189, // unreachable, unknown host, out of time, not on most members, network, stopping, stepped down
	262, 9001, 10107, 11600, 11602, 13388, 13435, 13436, // out of time, socket, not primary, stopping, interrupted, stale, not primary, recovering
}

// fault says what was being done when err happened, and gives the faults that somebody can do something about their kind.
// ctx is the caller's.
func fault(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*caption.Error](err); ok {
		return err
	}
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, errors.Join(cause, err))
	}
	err = fmt.Errorf("%s: %w", doing, err)
	server, fromServer := errors.AsType[mongo.ServerError](err)
	switch {
	case fromServer && server.HasErrorCode(codeOutOfDiskSpace):
		return caption.Errorf(caption.KindUnavailable, "The server's disk is full. Free some space on it, then try again.").
			WithCode("storage_full").WithCause(err)
	case away(err), fromServer && slices.ContainsFunc(awayCodes, server.HasErrorCode):
		return caption.Errorf(caption.KindUnavailable, "The store cannot be reached. Try again in a moment.").
			WithCode("store_unavailable").WithCause(err)
	}
	return err
}

// away tells whether the server did not answer.
func away(err error) bool {
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mongo.ErrClientDisconnected) {
		return true
	}
	if w, ok := errors.AsType[mongo.WriteException](err); ok && w.WriteConcernError != nil {
		return true // It was written, but is not on most members yet.
	}
	_, selecting := errors.AsType[topology.ServerSelectionError](err)
	_, connecting := errors.AsType[topology.ConnectionError](err)
	var pool driver.RetryablePoolError // Other connections of the pool broke.
	return selecting || connecting || errors.As(err, &pool)
}
