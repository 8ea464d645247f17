package main

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mink-es/mink/clients/go"
)

// What the client gives back, in the words of the cases.

const recent = 10 * time.Minute

func isRecent(moment time.Time) bool { return time.Since(moment).Abs() < recent }

func payload(told object, isJSON bool, data []byte) object {
	if isJSON {
		told["json"] = string(data)
	} else {
		told["binary"] = base64.StdEncoding.EncodeToString(data)
	}
	return told
}

func told(about map[string]string) object {
	found := object{}
	for key, value := range about {
		found[key] = value
	}
	return found
}

func toldEvent(e mink.RecordedEvent) object {
	return payload(object{
		"position": e.Position(), "version": e.Version(), "id": e.ID(), "stream": e.Stream(), "category": e.Category(), "type": e.Type(),
		"metadata": told(e.Metadata()), "size": int64(len(e.Data())), "recent": isRecent(e.RecordedAt()),
	}, e.IsJSON(), e.Data())
}

func toldEvents(events []mink.RecordedEvent) []any {
	found := make([]any, len(events))
	for i, event := range events {
		found[i] = toldEvent(event)
	}
	return found
}

func toldSnapshot(s *mink.Snapshot) any {
	if s == nil {
		return nil
	}
	return payload(object{
		"stream": s.Stream(), "version": s.Version(), "metadata": told(s.Metadata()), "recent": isRecent(s.SavedAt()),
	}, s.IsJSON(), s.Data())
}

func toldStream(s mink.StreamInfo) object {
	return object{
		"stream": s.Stream, "category": s.Category, "version": s.Version, "first_version": s.FirstVersion, "events": s.Events,
		"last_position": s.LastPosition, "snapshot_version": s.SnapshotVersion, "deleted": s.Deleted, "tombstoned": s.Tombstoned,
	}
}

func toldAppend(r mink.AppendResult) object {
	return object{"version": r.Version, "first_position": r.FirstPosition, "last_position": r.LastPosition, "replayed": r.Replayed}
}

func toldAppendMany(r mink.AppendManyResult) object {
	streams := []any{}
	for _, s := range r.Streams {
		streams = append(streams, object{
			"stream": s.Stream, "version": s.Version, "first_position": s.FirstPosition, "last_position": s.LastPosition,
		})
	}
	return object{
		"streams": streams, "first_position": r.FirstPosition, "last_position": r.LastPosition, "replayed": r.Replayed,
	}
}

func toldExpected(e mink.Expected) any {
	if version, exact := e.Version(); exact {
		return version
	}
	return e.String()
}

// toldError is an error; nil if it is none of the client's.
func toldError(err error) object {
	var base *mink.Error
	if !errors.As(err, &base) {
		return nil
	}
	found := object{"type": "MinkError", "reason": base.Reason}
	kinds := []any{}
	for kind := err; kind != nil; kind = errors.Unwrap(kind) {
		if name := describe(kind, found); name != "" {
			kinds = append(kinds, name)
		}
	}
	if len(kinds) > 0 {
		found["type"] = kinds[0]
		kinds = kinds[1:]
	}
	slices.SortFunc(kinds, func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
	found["also"] = kinds
	return found
}

// describe gives the name of an error's type, and adds what the type has to what is told. Empty: none of the table's.
func describe(err error, to object) string {
	some := func(name, value string) {
		if value != "" {
			to[name] = value
		}
	}
	retry := func(after time.Duration) {
		if after > 0 {
			to["retry_after"] = after.Seconds()
		}
	}
	switch e := err.(type) {
	case *mink.WrongExpectedVersion:
		violations := []any{}
		for _, v := range e.Violations {
			violations = append(violations, object{"stream": v.Stream, "expected": toldExpected(v.Expected), "actual": v.Actual})
		}
		to["stream"], to["expected"], to["actual"], to["violations"] = e.Stream, toldExpected(e.Expected), e.Actual, violations
		return "WrongExpectedVersion"
	case *mink.EventIDConflict:
		to["event_id"] = e.EventID
		return "EventIdConflict"
	case *mink.StreamDeleted:
		return "StreamDeleted"
	case *mink.StreamNotFound:
		to["stream"] = e.Stream
		return "StreamNotFound"
	case *mink.SnapshotNotFound:
		to["stream"] = e.Stream
		return "SnapshotNotFound"
	case *mink.InvalidRequest:
		fields := []string{}
		for _, f := range e.Fields {
			fields = append(fields, f.Field)
		}
		slices.Sort(fields)
		names := []any{}
		for _, name := range fields {
			names = append(names, name)
		}
		to["fields"] = names
		return "InvalidRequest"
	case *mink.PositionAhead:
		to["position"], to["head"], to["log_id"] = e.Position, e.Head, e.LogID
		return "PositionAhead"
	case *mink.EventTooLarge:
		to["size"], to["limit"] = e.Size, e.Limit
		return "EventTooLarge"
	case *mink.RequestTooLarge:
		to["size"], to["limit"] = e.Size, e.Limit
		return "RequestTooLarge"
	case *mink.Unauthenticated:
		some("role", e.Role)
		some("stream", e.Stream)
		return "Unauthenticated"
	case *mink.PermissionDenied:
		some("role", e.Role)
		some("stream", e.Stream)
		return "PermissionDenied"
	case *mink.Unavailable:
		retry(e.RetryAfter)
		return "Unavailable"
	case *mink.DatabaseUnavailable:
		return "DatabaseUnavailable"
	case *mink.ShuttingDown:
		return "ShuttingDown"
	case *mink.Overloaded:
		retry(e.RetryAfter)
		return "Overloaded"
	case *mink.DeadlineExceeded:
		return "DeadlineExceeded"
	case *mink.InternalError:
		return "InternalError"
	case *mink.ClientClosed:
		return "ClientClosed"
	case *mink.CredentialsError:
		to["argument"] = e.Argument
		return "CredentialsError"
	}
	return ""
}
