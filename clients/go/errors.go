package mink

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Error is what every error of this package is for [errors.As]; most have a type of their own as well.
type Error struct {
	// Reason is the name of an ErrorReason of the protos; or of gRPC's code, if the error did not come from Mink itself.
	// CLIENT_CLOSED, CREDENTIALS and CANCELLED come from this client.
	Reason string
	// Message is what went wrong, for a person. It may change from release to release.
	Message string

	cause error
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap is what brought the error about, if it was another one: that of the caller's context, or of what it gave to the client.
func (e *Error) Unwrap() error { return e.cause }

// Reason is the reason of an error of this package; empty if it is none.
func Reason(err error) string {
	var known *Error
	if errors.As(err, &known) {
		return known.Reason
	}
	return ""
}

// failure is what the types below have in common. They do not tell a gRPC status of their own: a server that hands an error
// of Mink on to its callers would tell them Mink's status as if it were its own.
type failure struct{ base *Error }

// Error is the message.
func (f *failure) Error() string {
	if f.base == nil {
		return "mink: an error without a message"
	}
	return f.base.Message
}

// Unwrap is the same as an [Error].
func (f *failure) Unwrap() error {
	if f.base == nil {
		return nil
	}
	return f.base
}

func newFailure(reason, message string, cause error) failure {
	return failure{&Error{Reason: reason, Message: message, cause: cause}}
}

// Violation is one stream that was not as expected.
type Violation struct {
	Stream   string
	Expected Expected
	// Actual is the version that the stream has; 0 if it does not exist.
	Actual int64
}

// WrongExpectedVersion is: a stream was not as expected; somebody else may have appended to it. Load it again, decide again.
type WrongExpectedVersion struct {
	failure
	// Stream is the first stream that was not as expected.
	Stream string
	// Expected is what was expected of it.
	Expected Expected
	// Actual is the version that it has; 0 if it does not exist.
	Actual int64
	// Violations are all streams that were not as expected, in the order of the request.
	Violations []Violation
}

// EventIDConflict is: the id of an event is already in the log, for another append.
type EventIDConflict struct {
	failure
	EventID string
}

// StreamNotFound is: no event was ever appended to the stream; or it was deleted, and the error is a [StreamDeleted] as well.
type StreamNotFound struct {
	failure
	Stream string
}

// StreamDeleted is: the stream was deleted. It is a [StreamNotFound] as well.
type StreamDeleted struct{ StreamNotFound }

// Unwrap is the same as a [StreamNotFound].
func (e *StreamDeleted) Unwrap() error { return &e.StreamNotFound }

// SnapshotNotFound is: the stream has no snapshot.
type SnapshotNotFound struct {
	failure
	Stream string
}

// InvalidRequest is: the request cannot be right, whatever the store holds. An argument that cannot be sent is one too, before anything
// is sent.
type InvalidRequest struct {
	failure
	// Fields are all fields that are wrong.
	Fields []InvalidField
}

// InvalidField is a field of a request that is wrong, and why. Example: `events[0].id`, "must be a UUID".
type InvalidField struct {
	Field       string
	Description string
}

// PositionAhead is: the position lies beyond the head, or belongs to another log: this is not the log that it came from. Do not retry.
type PositionAhead struct {
	failure
	// Position is the one that was asked for.
	Position int64
	// Head is the newest position of this log.
	Head int64
	// LogID is the id of this log.
	LogID string
}

// EventTooLarge is: one event is larger than the server takes. Sizes are in bytes.
type EventTooLarge struct {
	failure
	Size  int64
	Limit int64
}

// RequestTooLarge is: the events of one append are together larger than the server takes. Sizes are in bytes; the limit is 0 if it is
// not known, because gRPC itself refused the message.
type RequestTooLarge struct {
	failure
	Size  int64
	Limit int64
}

// Unauthenticated is: the caller did not say who it is, or could not prove it.
type Unauthenticated struct {
	failure
	// Role is the role that was needed: read, append, manage or admin; empty if the server did not say.
	Role string
	// Stream is the stream that the caller may not reach; empty if it is not about one.
	Stream string
}

// PermissionDenied is: the caller may not do this.
type PermissionDenied struct {
	failure
	// Role is the role that was needed: read, append, manage or admin; empty if the server did not say.
	Role string
	// Stream is the stream that the caller may not reach; empty if it is the role that is missing.
	Stream string
}

// Unavailable is: the server could not be reached, or could not do the work now. The outcome of an append is unknown; sending it
// again, with the same events, is safe.
type Unavailable struct {
	failure
	// RetryAfter is how long the server asks to wait; 0 if it did not say.
	RetryAfter time.Duration
}

// DatabaseUnavailable is: the server cannot reach its Postgres, or cannot write to it. It is an [Unavailable] as well.
type DatabaseUnavailable struct{ Unavailable }

// Unwrap is the same as an [Unavailable].
func (e *DatabaseUnavailable) Unwrap() error { return &e.Unavailable }

// ShuttingDown is: the server is about to stop; another one may serve the retry. It is an [Unavailable] as well.
type ShuttingDown struct{ Unavailable }

// Unwrap is the same as an [Unavailable].
func (e *ShuttingDown) Unwrap() error { return &e.Unavailable }

// Overloaded is: the server has as much work waiting as it lets in. Nothing was appended.
type Overloaded struct {
	failure
	// RetryAfter is how long the server asks to wait; 0 if it did not say.
	RetryAfter time.Duration
}

// DeadlineExceeded is: the call did not end in time. The outcome of an append is unknown; sending the same events again is safe.
type DeadlineExceeded struct{ failure }

// Is says that it is [context.DeadlineExceeded], whoever set the deadline.
func (e *DeadlineExceeded) Is(target error) bool { return target == context.DeadlineExceeded }

// InternalError is: the server failed in a way that it did not expect; its log says more.
type InternalError struct{ failure }

// ClientClosed is: the client, or the subscription, was closed.
type ClientClosed struct{ failure }

// CredentialsError is: a certificate, a key, a token or a setting about them cannot be used. It comes before anything is sent, and
// says no secret.
type CredentialsError struct {
	failure
	// Argument is which one: tls, ca_file, cert_file, key_file, token, token_file or insecure_token.
	Argument string
}

// What this client itself finds wrong.

func invalid(field, description string, cause error) *InvalidRequest {
	return &InvalidRequest{
		newFailure("INVALID_REQUEST", field+": "+description, cause),
		[]InvalidField{{field, description}},
	}
}

func unusable(argument, problem string, cause error) *CredentialsError {
	return &CredentialsError{newFailure("CREDENTIALS", argument+": "+problem, cause), argument}
}

func closed(message string) *ClientClosed {
	return &ClientClosed{newFailure("CLIENT_CLOSED", message, nil)}
}

func unavailable(message string) *Unavailable {
	return &Unavailable{failure: newFailure("UNAVAILABLE", message, nil)}
}

// What an append adds whose time is over.
const unknownOutcome = "; whether the append was made is unknown"

func late(message string, cause error) *DeadlineExceeded {
	return &DeadlineExceeded{newFailure("DEADLINE_EXCEEDED", message, cause)}
}

// causeOf is why a context has ended: its error, with what the caller said to it, if it did.
func causeOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

func cancelled(cause error) *Error {
	return &Error{Reason: "CANCELLED", Message: "the caller ended the call: " + cause.Error(), cause: cause}
}

// Which failures are tried again.

// isTransient says whether the same call can succeed a moment later, and may be sent again if sending it twice does no harm.
func isTransient(err error) bool {
	var away *Unavailable
	var busy *Overloaded
	return errors.As(err, &away) || errors.As(err, &busy)
}

// wasRefused says whether the server certainly did nothing: then even a call that must not be sent twice may be sent again.
func wasRefused(err error) bool {
	var stopping *ShuttingDown
	var busy *Overloaded
	return errors.As(err, &stopping) || errors.As(err, &busy)
}

// retryAfter is how long the server asks to wait; 0 if it did not say.
func retryAfter(err error) time.Duration {
	var away *Unavailable
	if errors.As(err, &away) {
		return away.RetryAfter
	}
	var busy *Overloaded
	if errors.As(err, &busy) {
		return busy.RetryAfter
	}
	return 0
}
