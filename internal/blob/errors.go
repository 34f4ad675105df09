package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"k8s-scalers/internal/caption"
)

// fault gives an error of the SDK its meaning. what says what was being done.
func fault(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*caption.Error](err); ok {
		return err
	}
	code, status := "", 0
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	switch code {
	case "NoSuchKey", "NotFound":
		return caption.Errorf(caption.KindNotFound, "The file is not in the storage any more.").WithCode("no_such_object").WithCause(err)
	case "NoSuchUpload":
		return caption.Errorf(caption.KindNotFound, "The upload is not in the storage any more. Upload the file again.").WithCode("no_such_multipart").WithCause(err)
	case "InvalidPart", "InvalidPartOrder", "EntityTooSmall":
		return caption.Errorf(caption.KindConflict, "The parts of the upload have changed meanwhile. Try again.").WithCode("parts_changed").WithCause(err)
	case "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioStorageQuotaExceeded", "StorageFull":
		return full(err)
	case "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "OperationAborted":
		return unavailable(err)
	}
	noAnswer := code == "" && status == 0
	switch {
	case status == http.StatusInsufficientStorage:
		return full(err)
	case noAnswer, status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return unavailable(err)
	}
	return err
}

// patience is how long a server may take for what one that is well does at once, tries included. Without it a server that hangs
// would hold requests for as long as their connections live.
const patience = 10 * time.Second

const defaultStall = 30 * time.Second

func unavailable(err error) error {
	return caption.Errorf(caption.KindUnavailable, "The storage does not answer at the moment. Try again in a few seconds.").
		WithCode("storage_unavailable").WithCause(err)
}

func full(err error) error {
	return &caption.Error{Kind: caption.KindUnavailable, Code: "storage_full", RetryAfter: 30 * time.Second, Err: err,
		Message: "The storage is full. Free some space, or ask whoever runs this server to, then try again."}
}

// diskFault gives an error of the local disk its meaning.
func diskFault(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return full(err)
	}
	if errors.Is(err, os.ErrExist) {
		return caption.Errorf(caption.KindConflict, "The file exists already.").WithCause(err)
	}
	return err
}
