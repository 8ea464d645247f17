package mink

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// RecordedEvent is an event in the log. It is a thin view of the message that came, made to be handed on by value.
type RecordedEvent struct{ message *minkpb.RecordedEvent }

// Position is the event's number in the log: 1, 2, 3 …, in the order of commits.
func (e RecordedEvent) Position() int64 { return e.message.GetPosition() }

// Version is the event's number in its stream, which begins with 1.
func (e RecordedEvent) Version() int64 { return e.message.GetVersion() }

// ID is the event's UUID, in the canonical form.
func (e RecordedEvent) ID() string { return e.message.GetId() }

// Stream is the name of the event's stream.
func (e RecordedEvent) Stream() string { return e.message.GetStream() }

// Category is the part of the stream's name before its first `-`; the whole name if it has none.
func (e RecordedEvent) Category() string {
	category, _, _ := strings.Cut(e.message.GetStream(), "-")
	return category
}

// Type is what happened.
func (e RecordedEvent) Type() string { return e.message.GetType() }

// IsJSON says whether the payload is JSON.
func (e RecordedEvent) IsJSON() bool {
	_, is := e.message.GetPayload().(*minkpb.RecordedEvent_Json)
	return is
}

// Data is the payload, byte for byte as it was appended. Bytes that are not JSON are not copied: do not change them.
func (e RecordedEvent) Data() []byte {
	if e.IsJSON() {
		return []byte(e.message.GetJson())
	}
	return e.message.GetBinary()
}

// Text is the payload as text, byte for byte as it was appended.
func (e RecordedEvent) Text() string {
	if e.IsJSON() {
		return e.message.GetJson()
	}
	return string(e.message.GetBinary())
}

// Size is how many bytes the payload has.
func (e RecordedEvent) Size() int {
	if e.IsJSON() {
		return len(e.message.GetJson())
	}
	return len(e.message.GetBinary())
}

// Unmarshal reads the payload as JSON into a value, as [json.Unmarshal] does.
func (e RecordedEvent) Unmarshal(value any) error { return json.Unmarshal(e.Data(), value) }

// Metadata is what is known about the event beside its facts. A copy.
func (e RecordedEvent) Metadata() map[string]string { return maps.Clone(e.message.GetMetadata()) }

// RecordedAt is when the server recorded the event, by the server's clock, in UTC.
func (e RecordedEvent) RecordedAt() time.Time { return e.message.GetRecordedAt().AsTime() }

// Message is the event as it came. Do not change it.
func (e RecordedEvent) Message() *minkpb.RecordedEvent { return e.message }

// String names the event, for a person.
func (e RecordedEvent) String() string {
	return fmt.Sprintf("%d: %s version %d, %s", e.Position(), e.Stream(), e.Version(), e.Type())
}

func recorded(messages []*minkpb.RecordedEvent) []RecordedEvent {
	events := make([]RecordedEvent, len(messages))
	for place, message := range messages {
		events[place] = RecordedEvent{message}
	}
	return events
}
