package mink

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func TestEveryReasonBecomesItsTypeWithItsData(t *testing.T) {
	resource := &errdetails.ResourceInfo{ResourceName: "S-1"}
	size := &minkpb.SizeLimit{SizeBytes: 11, LimitBytes: 10}
	access := &minkpb.AccessRequired{Role: "append", Stream: "S-1"}
	wait := retryInfo(durationpb.New(3 * time.Second))
	for _, c := range []struct {
		reason string
		code   codes.Code
		detail proto.Message
		want   error // without its base
	}{
		{"EVENT_ID_CONFLICT", codes.AlreadyExists, &minkpb.EventIdConflict{EventId: "x"}, &EventIDConflict{EventID: "x"}},
		{"STREAM_NOT_FOUND", codes.NotFound, resource, &StreamNotFound{Stream: "S-1"}},
		{"STREAM_DELETED", codes.NotFound, resource, &StreamDeleted{StreamNotFound{Stream: "S-1"}}},
		{"SNAPSHOT_NOT_FOUND", codes.NotFound, resource, &SnapshotNotFound{Stream: "S-1"}},
		{
			"INVALID_REQUEST", codes.InvalidArgument,
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "a", Description: "b"}, {Field: "c"}}},
			&InvalidRequest{Fields: []InvalidField{{"a", "b"}, {"c", ""}}},
		},
		{
			"POSITION_AHEAD", codes.OutOfRange, &minkpb.PositionAhead{Position: 9, Head: 3, LogId: "l"},
			&PositionAhead{Position: 9, Head: 3, LogID: "l"},
		},
		{"EVENT_TOO_LARGE", codes.InvalidArgument, size, &EventTooLarge{Size: 11, Limit: 10}},
		{"REQUEST_TOO_LARGE", codes.InvalidArgument, size, &RequestTooLarge{Size: 11, Limit: 10}},
		{"UNAUTHENTICATED", codes.Unauthenticated, access, &Unauthenticated{Role: "append", Stream: "S-1"}},
		{"PERMISSION_DENIED", codes.PermissionDenied, access, &PermissionDenied{Role: "append", Stream: "S-1"}},
		{"DATABASE_UNAVAILABLE", codes.Unavailable, wait, &DatabaseUnavailable{Unavailable{RetryAfter: 3 * time.Second}}},
		{"SHUTTING_DOWN", codes.Unavailable, wait, &ShuttingDown{Unavailable{RetryAfter: 3 * time.Second}}},
		{"OVERLOADED", codes.ResourceExhausted, wait, &Overloaded{RetryAfter: 3 * time.Second}},
		{"INTERNAL", codes.Internal, nil, &InternalError{}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			var details []proto.Message
			if c.detail != nil {
				details = append(details, c.detail)
			}
			found := fromRPC(minkStatus(c.code, c.reason, details...), "somewhere:1", false)
			if Reason(found) != c.reason || found.Error() != "words for a person" {
				t.Errorf("reason %q, message %q", Reason(found), found)
			}
			if reflect.TypeOf(found) != reflect.TypeOf(c.want) {
				t.Fatalf("it is a %T, not a %T", found, c.want)
			}
			withoutBase(found)
			if !reflect.DeepEqual(found, c.want) {
				t.Errorf("it is %+v, not %+v", found, c.want)
			}
			// A failed append of a session says the same.
			s := status.Convert(minkStatus(c.code, c.reason, details...)).Proto()
			inSession := fromFailure(&minkpb.Failure{Code: s.GetCode(), Message: s.GetMessage(), Details: s.GetDetails()})
			if withoutBase(inSession); !reflect.DeepEqual(inSession, c.want) {
				t.Errorf("in a session it is %+v, not %+v", inSession, c.want)
			}
		})
	}
}

// withoutBase takes out what all errors have, so that what is left can be compared.
func withoutBase(err error) {
	value := reflect.ValueOf(err).Elem()
	for value.Type().Field(0).Name != "failure" {
		value = value.Field(0)
	}
	set := reflect.NewAt(value.Field(0).Type(), value.Field(0).Addr().UnsafePointer()).Elem()
	set.SetZero()
}

func TestAWrongExpectedVersionHasAllViolations(t *testing.T) {
	detail := &minkpb.WrongExpectedVersion{Violations: []*minkpb.ExpectationViolation{
		{Stream: "A", Expectation: &minkpb.ExpectationViolation_ExactVersion{ExactVersion: 7}, ActualVersion: 1},
		{Stream: "B", Expectation: &minkpb.ExpectationViolation_State{State: minkpb.ExpectedState_NO_STREAM}, ActualVersion: 2},
	}}
	var wrong *WrongExpectedVersion
	if !errors.As(fromRPC(minkStatus(codes.Aborted, "WRONG_EXPECTED_VERSION", detail), "", false), &wrong) {
		t.Fatal("not a WrongExpectedVersion")
	}
	if wrong.Stream != "A" || wrong.Expected != Version(7) || wrong.Actual != 1 {
		t.Errorf("the first is %+v", wrong)
	}
	if want := []Violation{{"A", Version(7), 1}, {"B", NoStream, 2}}; !reflect.DeepEqual(wrong.Violations, want) {
		t.Errorf("violations are %v, not %v", wrong.Violations, want)
	}
}

func TestEveryCodeOfGRPCItselfBecomesAnError(t *testing.T) {
	want := map[codes.Code]struct {
		kind   error
		reason string
	}{
		codes.Canceled:           {&Unavailable{}, "UNAVAILABLE"},
		codes.Unknown:            {&InternalError{}, "UNKNOWN"},
		codes.InvalidArgument:    {&InvalidRequest{}, "INVALID_ARGUMENT"},
		codes.DeadlineExceeded:   {&DeadlineExceeded{}, "DEADLINE_EXCEEDED"},
		codes.NotFound:           {&Error{}, "NOT_FOUND"},
		codes.AlreadyExists:      {&Error{}, "ALREADY_EXISTS"},
		codes.PermissionDenied:   {&PermissionDenied{}, "PERMISSION_DENIED"},
		codes.ResourceExhausted:  {&Error{}, "RESOURCE_EXHAUSTED"},
		codes.FailedPrecondition: {&Error{}, "FAILED_PRECONDITION"},
		codes.Aborted:            {&Error{}, "ABORTED"},
		codes.OutOfRange:         {&Error{}, "OUT_OF_RANGE"},
		codes.Unimplemented:      {&Error{}, "UNIMPLEMENTED"},
		codes.Internal:           {&InternalError{}, "INTERNAL"},
		codes.Unavailable:        {&Unavailable{}, "UNAVAILABLE"},
		codes.DataLoss:           {&Error{}, "DATA_LOSS"},
		codes.Unauthenticated:    {&Unauthenticated{}, "UNAUTHENTICATED"},
		codes.Code(99):           {&Error{}, "UNKNOWN"},
	}
	for code, w := range want {
		for about, err := range map[string]error{
			"bare":                     status.Error(code, "words"),
			"with a reason of another": domainStatus(code, "elsewhere.example", "STREAM_NOT_FOUND"),
		} {
			found := fromRPC(err, "somewhere:1", false)
			if reflect.TypeOf(found) != reflect.TypeOf(w.kind) || Reason(found) != w.reason {
				t.Errorf("%v %s is a %T with reason %s, not a %T with %s", code, about, found, Reason(found), w.kind, w.reason)
			}
		}
	}
}

func TestAReasonThatThisClientDoesNotKnowIsKept(t *testing.T) {
	found := fromRPC(minkStatus(codes.NotFound, "PROJECTION_NOT_FOUND"), "", false)
	if _, plain := found.(*Error); !plain || Reason(found) != "PROJECTION_NOT_FOUND" {
		t.Errorf("it is %T with reason %s", found, Reason(found))
	}
}

func TestErrorsAreTheKindsThatTheySayTheyAre(t *testing.T) {
	deleted := fmt.Errorf("loading: %w", fromRPC(minkStatus(codes.NotFound, "STREAM_DELETED"), "", false))
	var asDeleted *StreamDeleted
	var asNotFound *StreamNotFound
	var asBase *Error
	if !errors.As(deleted, &asDeleted) || !errors.As(deleted, &asNotFound) || !errors.As(deleted, &asBase) {
		t.Error("a StreamDeleted is a StreamNotFound and an Error")
	}
	if errors.As(fromRPC(minkStatus(codes.NotFound, "STREAM_NOT_FOUND"), "", false), &asDeleted) {
		t.Error("a StreamNotFound is no StreamDeleted")
	}
	for _, reason := range []string{"SHUTTING_DOWN", "DATABASE_UNAVAILABLE"} {
		var away *Unavailable
		if found := fromRPC(minkStatus(codes.Unavailable, reason), "", false); !errors.As(found, &away) || !errors.As(found, &asBase) {
			t.Errorf("%s is an Unavailable and an Error", reason)
		}
	}
	if !errors.Is(late("x", nil), context.DeadlineExceeded) {
		t.Error("a DeadlineExceeded is the context's")
	}
	if !errors.Is(cancelled(context.Canceled), context.Canceled) {
		t.Error("what the caller cancelled is the context's")
	}
	if s, is := status.FromError(deleted); is && s.Code() == codes.NotFound {
		t.Error("a server that hands an error of Mink on would tell its callers Mink's status as its own")
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	for reason, c := range map[string]struct {
		code               codes.Code
		transient, refused bool
	}{
		"DATABASE_UNAVAILABLE":   {codes.Unavailable, true, false},
		"SHUTTING_DOWN":          {codes.Unavailable, true, true},
		"OVERLOADED":             {codes.ResourceExhausted, true, true},
		"INTERNAL":               {codes.Internal, false, false},
		"WRONG_EXPECTED_VERSION": {codes.Aborted, false, false},
		"UNAUTHENTICATED":        {codes.Unauthenticated, false, false},
	} {
		found := fromRPC(minkStatus(c.code, reason), "", false)
		if isTransient(found) != c.transient || wasRefused(found) != c.refused {
			t.Errorf("%s: transient %v, refused %v", reason, isTransient(found), wasRefused(found))
		}
	}
	if bare := fromRPC(status.Error(codes.Unavailable, ""), "", false); !isTransient(bare) || wasRefused(bare) {
		t.Error("UNAVAILABLE of gRPC itself is tried again, and may have been done")
	}
	if isTransient(fromRPC(status.Error(codes.ResourceExhausted, ""), "", false)) {
		t.Error("RESOURCE_EXHAUSTED of gRPC itself is not tried again")
	}
}
