package mink

import (
	"time"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// StreamInfo is what is known about a stream.
type StreamInfo struct {
	// Stream is its name.
	Stream string
	// Category is the part of the name before the first `-`, or the whole name.
	Category string
	// Version is that of the newest event.
	Version int64
	// FirstVersion is that of the oldest event that is still there; 0 if all were removed.
	FirstVersion int64
	// Events is how many are there.
	Events int64
	// LastPosition is that of the newest event; 0 if all were removed.
	LastPosition int64
	// FirstRecordedAt is when the oldest event that is still there was recorded, in UTC; zero if all were removed.
	FirstRecordedAt time.Time
	// LastRecordedAt is when the newest event was recorded, in UTC; zero if all were removed.
	LastRecordedAt time.Time
	// SnapshotVersion is that of the snapshot; 0 if there is none.
	SnapshotVersion int64
	// Deleted says whether the stream was deleted.
	Deleted bool
	// Tombstoned says whether the name is gone for good.
	Tombstoned bool
}

// Removed is what was removed from a stream.
type Removed struct {
	// Removed is how many events.
	Removed int64
	// Version is the one that the stream has, or had: versions are never used again.
	Version int64
}

func streamInfo(message *minkpb.StreamInfo) StreamInfo {
	info := StreamInfo{
		Stream:          message.GetStream(),
		Category:        message.GetCategory(),
		Version:         message.GetVersion(),
		FirstVersion:    message.GetFirstVersion(),
		Events:          message.GetEvents(),
		LastPosition:    message.GetLastPosition(),
		SnapshotVersion: message.GetSnapshotVersion(),
		Deleted:         message.GetDeleted(),
		Tombstoned:      message.GetTombstoned(),
	}
	if at := message.GetFirstRecordedAt(); at != nil {
		info.FirstRecordedAt = at.AsTime()
	}
	if at := message.GetLastRecordedAt(); at != nil {
		info.LastRecordedAt = at.AsTime()
	}
	return info
}
