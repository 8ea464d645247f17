package mink

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
)

const notUTF8 = "is not UTF-8"

// unsendable is why protobuf refused to write a request: text that is not UTF-8. It names every field that has some, as the server
// names fields: events[1].metadata["k"].
func unsendable(request proto.Message, err error) error {
	var fields []InvalidField
	var said []string
	_ = protorange.Range(request.ProtoReflect(), func(found protopath.Values) error {
		last := found.Index(-1)
		wrong := isDamaged(last.Value.Interface())
		if last.Step.Kind() == protopath.MapIndexStep {
			wrong = wrong || isDamaged(last.Step.MapIndex().Interface())
		}
		if wrong {
			field := strings.TrimPrefix(found.Path[1:].String(), ".")
			fields = append(fields, InvalidField{field, notUTF8})
			said = append(said, field+": "+notUTF8)
		}
		return nil
	})
	if len(fields) == 0 {
		return invalid("request", err.Error(), err)
	}
	return &InvalidRequest{newFailure("INVALID_REQUEST", strings.Join(said, "; "), err), fields}
}

// isDamaged says whether a value is text, and not UTF-8.
func isDamaged(value any) bool {
	text, is := value.(string)
	return is && !utf8.ValidString(text)
}
