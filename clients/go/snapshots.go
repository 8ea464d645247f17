package mink

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// State is a state to save. Make one with [JSONState], [RawJSONState] or [BinaryState]; its zero value is refused.
type State struct{ payload payload }

// JSONState makes a state out of anything that [encoding/json] can write: as there, a []byte becomes base64 and a string a JSON string;
// for text that is JSON already there is [RawJSONState]. If it cannot, saving it fails with an [InvalidRequest].
func JSONState(value any) State { return State{jsonPayload(value)} }

// RawJSONState makes a state out of text that is JSON already; it comes back byte for byte. The server checks it.
func RawJSONState(text string) State { return State{payload{text: text, isJSON: true}} }

// BinaryState makes a state out of bytes, possibly none.
func BinaryState(data []byte) State {
	if data == nil {
		data = []byte{} // a state of no bytes is one
	}
	return State{payload{data: data}}
}

func (s State) isZero() bool { return s.payload.data == nil && !s.payload.isJSON }

// SaveSnapshotOption is for [Client.SaveSnapshot]: [WithMetadata].
type SaveSnapshotOption interface {
	applyToSnapshot(*minkpb.SaveSnapshotRequest)
}

func (o MetadataOption) applyToSnapshot(r *minkpb.SaveSnapshotRequest) {
	r.Metadata = maps.Clone(o.metadata)
}

// SnapshotSaved is what became of a state.
type SnapshotSaved struct {
	// Saved says whether it was saved; false if a newer snapshot was kept.
	Saved bool
	// Version is that of the snapshot that the stream now has.
	Version int64
}

// Snapshot is a state saved for a stream at a version. It is a thin view of the message that came.
type Snapshot struct{ message *minkpb.Snapshot }

// Stream is the stream's name.
func (s *Snapshot) Stream() string { return s.message.GetStream() }

// Version is that of the last event that the state includes.
func (s *Snapshot) Version() int64 { return s.message.GetVersion() }

// IsJSON says whether the state is JSON.
func (s *Snapshot) IsJSON() bool {
	_, is := s.message.GetState().(*minkpb.Snapshot_Json)
	return is
}

// Data is the state, byte for byte as it was saved. Bytes that are not JSON are not copied: do not change them.
func (s *Snapshot) Data() []byte {
	if s.IsJSON() {
		return []byte(s.message.GetJson())
	}
	return s.message.GetBinary()
}

// Text is the state as text, byte for byte as it was saved.
func (s *Snapshot) Text() string {
	if s.IsJSON() {
		return s.message.GetJson()
	}
	return string(s.message.GetBinary())
}

// Unmarshal reads the state as JSON into a value, as [json.Unmarshal] does.
func (s *Snapshot) Unmarshal(value any) error { return json.Unmarshal(s.Data(), value) }

// Metadata is what is known about the state beside itself. A copy.
func (s *Snapshot) Metadata() map[string]string { return maps.Clone(s.message.GetMetadata()) }

// SavedAt is when the server saved it, in UTC.
func (s *Snapshot) SavedAt() time.Time { return s.message.GetSavedAt().AsTime() }

// Message is the snapshot as it came. Do not change it.
func (s *Snapshot) Message() *minkpb.Snapshot { return s.message }

// String names the snapshot, for a person.
func (s *Snapshot) String() string {
	return fmt.Sprintf("snapshot of %s at version %d", s.Stream(), s.Version())
}
