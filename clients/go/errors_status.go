package mink

import (
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// What a status means: by the reason that Mink gives; by gRPC's code where there is none. Nobody looks into a message.

const errorDomain = "mink"

// details are those of a status, by type.
type details struct {
	message      string
	info         errdetails.ErrorInfo
	wrongVersion minkpb.WrongExpectedVersion
	conflict     minkpb.EventIdConflict
	ahead        minkpb.PositionAhead
	size         minkpb.SizeLimit
	access       minkpb.AccessRequired
	resource     errdetails.ResourceInfo
	badRequest   errdetails.BadRequest
	retry        errdetails.RetryInfo
}

func readDetails(message string, packed []*anypb.Any) *details {
	d := &details{message: message}
	known := []proto.Message{
		&d.info, &d.wrongVersion, &d.conflict, &d.ahead, &d.size, &d.access, &d.resource, &d.badRequest, &d.retry,
	}
	for _, detail := range packed {
		for _, message := range known {
			if detail.MessageIs(message) {
				// What is damaged is left out: the code and the message are not.
				_ = proto.Unmarshal(detail.GetValue(), message)
				break
			}
		}
	}
	return d
}

func (d *details) failure(reason string) failure { return newFailure(reason, d.message, nil) }

func (d *details) retryAfter() time.Duration { return d.retry.GetRetryDelay().AsDuration() }

func (d *details) wrong() error {
	var found []Violation
	for _, v := range d.wrongVersion.GetViolations() {
		found = append(found, Violation{v.GetStream(), expectedOf(v), v.GetActualVersion()})
	}
	if len(found) == 0 {
		return &Error{Reason: "WRONG_EXPECTED_VERSION", Message: d.message}
	}
	first := found[0]
	return &WrongExpectedVersion{d.failure("WRONG_EXPECTED_VERSION"), first.Stream, first.Expected, first.Actual, found}
}

func (d *details) invalid(reason string) error {
	var fields []InvalidField
	for _, v := range d.badRequest.GetFieldViolations() {
		fields = append(fields, InvalidField{v.GetField(), v.GetDescription()})
	}
	return &InvalidRequest{d.failure(reason), fields}
}

func (d *details) streamNotFound(reason string) StreamNotFound {
	return StreamNotFound{d.failure(reason), d.resource.GetResourceName()}
}

func (d *details) unavailable(reason string) Unavailable {
	return Unavailable{d.failure(reason), d.retryAfter()}
}

func (d *details) byReason() error {
	switch reason := d.info.GetReason(); reason {
	case "WRONG_EXPECTED_VERSION":
		return d.wrong()
	case "EVENT_ID_CONFLICT":
		return &EventIDConflict{d.failure(reason), d.conflict.GetEventId()}
	case "STREAM_NOT_FOUND":
		found := d.streamNotFound(reason)
		return &found
	case "STREAM_DELETED":
		return &StreamDeleted{d.streamNotFound(reason)}
	case "SNAPSHOT_NOT_FOUND":
		return &SnapshotNotFound{d.failure(reason), d.resource.GetResourceName()}
	case "INVALID_REQUEST":
		return d.invalid(reason)
	case "POSITION_AHEAD":
		return &PositionAhead{d.failure(reason), d.ahead.GetPosition(), d.ahead.GetHead(), d.ahead.GetLogId()}
	case "EVENT_TOO_LARGE":
		return &EventTooLarge{d.failure(reason), d.size.GetSizeBytes(), d.size.GetLimitBytes()}
	case "REQUEST_TOO_LARGE":
		return &RequestTooLarge{d.failure(reason), d.size.GetSizeBytes(), d.size.GetLimitBytes()}
	case "UNAUTHENTICATED":
		return &Unauthenticated{d.failure(reason), d.access.GetRole(), d.access.GetStream()}
	case "PERMISSION_DENIED":
		return &PermissionDenied{d.failure(reason), d.access.GetRole(), d.access.GetStream()}
	case "DATABASE_UNAVAILABLE":
		return &DatabaseUnavailable{d.unavailable(reason)}
	case "SHUTTING_DOWN":
		return &ShuttingDown{d.unavailable(reason)}
	case "OVERLOADED":
		return &Overloaded{d.failure(reason), d.retryAfter()}
	case "INTERNAL":
		return &InternalError{d.failure(reason)}
	}
	return nil
}

// byCode is what gRPC itself, a proxy, or something that is not Mink means: there is only the code.
func (d *details) byCode(number codes.Code) error {
	switch number {
	case codes.Unavailable:
		found := d.unavailable("UNAVAILABLE")
		return &found
	case codes.Canceled:
		// A server that stops cuts its calls so. What the caller itself cancels does not come here.
		if d.message == "" {
			d.message = "the server ended the call"
		}
		found := d.unavailable("UNAVAILABLE")
		return &found
	case codes.DeadlineExceeded:
		return &DeadlineExceeded{d.failure("DEADLINE_EXCEEDED")}
	case codes.InvalidArgument:
		return d.invalid("INVALID_ARGUMENT")
	case codes.Unauthenticated:
		return &Unauthenticated{d.failure("UNAUTHENTICATED"), d.access.GetRole(), d.access.GetStream()}
	case codes.PermissionDenied:
		return &PermissionDenied{d.failure("PERMISSION_DENIED"), d.access.GetRole(), d.access.GetStream()}
	case codes.Internal:
		return &InternalError{d.failure("INTERNAL")}
	case codes.Unknown:
		return &InternalError{d.failure("UNKNOWN")}
	}
	return nil
}

// fromStatus is the error that the parts of a google.rpc.Status mean.
func fromStatus(number codes.Code, message string, packed []*anypb.Any) error {
	d := readDetails(message, packed)
	ours := d.info.GetDomain() == errorDomain
	if ours {
		if found := d.byReason(); found != nil {
			return found
		}
	}
	if found := d.byCode(number); found != nil {
		return found
	}
	reason := codeName(number)
	if ours && d.info.GetReason() != "" {
		reason = d.info.GetReason()
	}
	return &Error{Reason: reason, Message: message}
}

// fromFailure is the error that a failed append of a session means.
func fromFailure(failure *minkpb.Failure) error {
	return fromStatus(codes.Code(failure.GetCode()), failure.GetMessage(), failure.GetDetails())
}

// fromRPC is the error that a failed call means. The target is the server's address, for the message if it cannot be reached.
func fromRPC(err error, target string, tls bool) error {
	found := status.Convert(err)
	message := found.Message()
	packed := found.Proto().GetDetails()
	switch {
	case len(packed) > 0:
	case found.Code() == codes.Unavailable:
		message = "cannot reach Mink at " + target + ": " + message
		if look := advice(message, tls); look != "" {
			message += " (" + look + ")"
		}
	case found.Code() == codes.Unimplemented:
		message = "what answers at " + target + " is no Mink, or one that is too old for this call: " + message
	}
	return fromStatus(found.Code(), message, packed)
}

// codeName is the name of a code as gRPC's specification has it: NOT_FOUND.
func codeName(number codes.Code) string {
	if name, known := code.Code_name[int32(number)]; known {
		return name
	}
	return "UNKNOWN"
}

// tooLargeForGRPC is a failure to send a large request: gRPC itself refuses a message that is larger than its receiver takes with a code
// alone.
func tooLargeForGRPC(err error, request proto.Message) error {
	var base *Error
	size := proto.Size(request)
	if Reason(err) != "RESOURCE_EXHAUSTED" || size <= mostBytes || !errors.As(err, &base) {
		return err
	}
	return &RequestTooLarge{failure{base}, int64(size), 0}
}
