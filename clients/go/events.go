package mink

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/google/uuid"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// NewEvent is an event to append. Make one with [JSON], [RawJSON] or [Binary]: it then gets its id, so that sending it again is safe.
// Values are not changed after they are made, and may be shared.
type NewEvent struct {
	id       string
	kind     string
	payload  payload
	metadata map[string]string
}

// JSON makes an event out of anything that [encoding/json] can write: as there, a []byte becomes base64 and a string a JSON string, also
// if it holds JSON; for that there is [RawJSON]. What cannot be written makes the append fail with an [InvalidRequest] that says so;
// [NewEvent.Err] says it at once.
func JSON(eventType string, value any, options ...EventOption) NewEvent {
	return newEvent(eventType, jsonPayload(value), options)
}

// RawJSON makes an event out of text that is JSON already; it comes back byte for byte. The server checks it.
func RawJSON(eventType string, text string, options ...EventOption) NewEvent {
	return newEvent(eventType, payload{text: text, isJSON: true}, options)
}

// Binary makes an event out of bytes, possibly none. They must not be changed before the event is appended.
func Binary(eventType string, data []byte, options ...EventOption) NewEvent {
	return newEvent(eventType, payload{data: data}, options)
}

func newEvent(eventType string, payload payload, options []EventOption) NewEvent {
	event := NewEvent{kind: eventType, payload: payload}
	for _, option := range options {
		if option != nil {
			option.applyToEvent(&event)
		}
	}
	if event.id == "" {
		event.id = newID()
	}
	return event
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// EventOption says something about an event: [WithID], [WithMetadata]. Of one that is given twice the last one counts; nil is passed over.
type EventOption interface{ applyToEvent(*NewEvent) }

// IDOption is made by [WithID].
type IDOption struct{ id string }

// WithID gives an event its id, a UUID. Without it, or with an empty one, it gets a new UUIDv7.
func WithID(id string) IDOption { return IDOption{id} }

func (o IDOption) applyToEvent(event *NewEvent) { event.id = o.id }

// MetadataOption is made by [WithMetadata].
type MetadataOption struct{ metadata map[string]string }

// WithMetadata says what is known about an event, or a snapshot, beside its facts. The map is copied.
func WithMetadata(metadata map[string]string) MetadataOption { return MetadataOption{metadata} }

func (o MetadataOption) applyToEvent(event *NewEvent) { event.metadata = maps.Clone(o.metadata) }

// ID is the event's UUID.
func (e NewEvent) ID() string { return e.id }

// Type is what happened.
func (e NewEvent) Type() string { return e.kind }

// Data is the payload: JSON as text, or bytes.
func (e NewEvent) Data() []byte { return e.payload.bytes() }

// IsJSON says whether the payload is JSON.
func (e NewEvent) IsJSON() bool { return e.payload.isJSON }

// Metadata is what is known about the event beside its facts. A copy.
func (e NewEvent) Metadata() map[string]string { return maps.Clone(e.metadata) }

// Err is why the payload could not be written as JSON; nil if it could.
func (e NewEvent) Err() error { return e.payload.err }

// message is the event as it is sent, with the trace that its append belongs to unless it names one itself.
func (e NewEvent) message(trace map[string]string) *minkpb.NewEvent {
	message := &minkpb.NewEvent{Id: e.id, Type: e.kind, Metadata: e.metadata}
	if message.Id == "" {
		message.Id = newID() // a zero NewEvent; the server says what else is wrong with it
	}
	if e.payload.isJSON {
		message.Payload = &minkpb.NewEvent_Json{Json: e.payload.text}
	} else {
		message.Payload = &minkpb.NewEvent_Binary{Binary: e.payload.data}
	}
	if len(trace) > 0 {
		if _, has := e.metadata[traceparent]; !has {
			message.Metadata = make(map[string]string, len(e.metadata)+len(trace))
			maps.Copy(message.Metadata, e.metadata)
			maps.Copy(message.Metadata, trace)
		}
	}
	return message
}

// payload is that of an event to append, or of a state to save.
type payload struct {
	text   string // of JSON
	data   []byte // of anything else
	isJSON bool
	err    error
}

func jsonPayload(value any) payload {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return payload{isJSON: true, err: err}
	}
	return payload{text: string(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), isJSON: true}
}

func (p payload) bytes() []byte {
	if p.isJSON {
		return []byte(p.text)
	}
	return p.data
}
