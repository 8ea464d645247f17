package mink

import (
	"slices"
	"time"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// What the options of readings and subscriptions are: each is for the calls whose interface it has, and the compiler says where one
// does not fit. Of one that is given twice the last one counts, except for filters, which add up. Nil is passed over.

// ReadStreamOption is for [Client.ReadStream]: [FromVersion], [Backwards], [Limit].
type ReadStreamOption interface{ applyToStream(*streamReading) }

// ReadAllOption is for [Client.ReadAll]: [After], [Before], [Backwards], [Limit], and the filters [Streams], [StreamPrefixes],
// [Categories], [Types].
type ReadAllOption interface{ applyToLog(*logOptions) }

// SubscribeOption is for [Client.SubscribeAll]: [After], [FromEnd], [LogID], [SilenceTimeout], and the filters [Streams],
// [StreamPrefixes], [Categories], [Types].
type SubscribeOption interface{ applyToSubscription(*subscribeOptions) }

// ListStreamsOption is for [Client.ListStreams]: [IncludeDeleted], [PageSize].
type ListStreamsOption interface {
	applyToList(*minkpb.ListStreamsRequest)
}

// DeleteStreamOption is for [Client.DeleteStream]: [Tombstone].
type DeleteStreamOption interface {
	applyToDeletion(*minkpb.DeleteStreamRequest)
}

type logOptions struct {
	after, before int64
	backwards     bool
	limit         int64
	filter        minkpb.EventFilter
}

type subscribeOptions struct {
	after   int64
	fromEnd bool
	logID   string
	silence time.Duration
	filter  minkpb.EventFilter
}

// FromVersionOption is made by [FromVersion].
type FromVersionOption struct{ version int64 }

// FromVersion reads from this version on, included. 0: the oldest forwards, the newest backwards.
func FromVersion(version int64) FromVersionOption { return FromVersionOption{version} }

func (o FromVersionOption) applyToStream(r *streamReading) { r.from = o.version }

// BackwardsOption is made by [Backwards].
type BackwardsOption struct{}

// Backwards reads the newest event first.
func Backwards() BackwardsOption { return BackwardsOption{} }

func (BackwardsOption) applyToStream(r *streamReading) { r.backwards = true }
func (BackwardsOption) applyToLog(o *logOptions)       { o.backwards = true }

// LimitOption is made by [Limit].
type LimitOption struct{ events int64 }

// Limit reads so many events at most. 0: all.
func Limit(events int64) LimitOption { return LimitOption{events} }

func (o LimitOption) applyToStream(r *streamReading) { r.limit = o.events }
func (o LimitOption) applyToLog(l *logOptions)       { l.limit = o.events }

// AfterOption is made by [After].
type AfterOption struct{ position int64 }

// After begins after this position of the log. 0: with the first event. It goes with reading forwards.
func After(position int64) AfterOption { return AfterOption{position} }

func (o AfterOption) applyToLog(l *logOptions)                { l.after = o.position }
func (o AfterOption) applyToSubscription(s *subscribeOptions) { s.after = o.position }

// BeforeOption is made by [Before].
type BeforeOption struct{ position int64 }

// Before reads only what is before this position of the log. 0: from the newest event. It goes with reading backwards.
func Before(position int64) BeforeOption { return BeforeOption{position} }

func (o BeforeOption) applyToLog(l *logOptions) { l.before = o.position }

// FromEndOption is made by [FromEnd].
type FromEndOption struct{}

// FromEnd begins after the newest event that the log has when the subscription begins.
func FromEnd() FromEndOption { return FromEndOption{} }

func (FromEndOption) applyToSubscription(s *subscribeOptions) { s.fromEnd = true }

// LogIDOption is made by [LogID].
type LogIDOption struct{ id string }

// LogID is the id of the log that the position came from (see [Subscription.LogID]); with it, a log that was replaced is noticed, and
// the subscription fails with [PositionAhead].
func LogID(id string) LogIDOption { return LogIDOption{id} }

func (o LogIDOption) applyToSubscription(s *subscribeOptions) { s.logID = o.id }

// SilenceTimeoutOption is made by [SilenceTimeout].
type SilenceTimeoutOption struct{ silence time.Duration }

// SilenceTimeout is the time without any message after which a subscription's connection counts as broken; 15 seconds if it is not
// said. The server says something every few seconds.
func SilenceTimeout(silence time.Duration) SilenceTimeoutOption { return SilenceTimeoutOption{silence} }

func (o SilenceTimeoutOption) applyToSubscription(s *subscribeOptions) { s.silence = o.silence }

// FilterOption is made by [Streams], [StreamPrefixes], [Categories] and [Types]. An event passes if any of the first three chooses its
// stream (or none is given), and the last chooses its type (or is not given). What is given twice adds up.
type FilterOption struct {
	add func(filter *minkpb.EventFilter, names []string)
	// A copy, since the caller may go on with its slice.
	names []string
}

func (o FilterOption) applyToLog(l *logOptions)                { o.applyTo(&l.filter) }
func (o FilterOption) applyToSubscription(s *subscribeOptions) { o.applyTo(&s.filter) }

func (o FilterOption) applyTo(filter *minkpb.EventFilter) {
	if o.add != nil { // the zero value chooses nothing, and so lets everything pass
		o.add(filter, o.names)
	}
}

// Streams chooses streams by their whole name.
func Streams(names ...string) FilterOption {
	return FilterOption{func(f *minkpb.EventFilter, n []string) { f.Streams = append(f.Streams, n...) }, slices.Clone(names)}
}

// StreamPrefixes chooses streams by how their name begins.
func StreamPrefixes(prefixes ...string) FilterOption {
	return FilterOption{
		func(f *minkpb.EventFilter, n []string) { f.StreamPrefixes = append(f.StreamPrefixes, n...) }, slices.Clone(prefixes),
	}
}

// Categories chooses streams by the part of their name before the first `-`.
func Categories(names ...string) FilterOption {
	return FilterOption{func(f *minkpb.EventFilter, n []string) { f.Categories = append(f.Categories, n...) }, slices.Clone(names)}
}

// Types chooses events by their type.
func Types(names ...string) FilterOption {
	return FilterOption{func(f *minkpb.EventFilter, n []string) { f.Types = append(f.Types, n...) }, slices.Clone(names)}
}

// IncludeDeletedOption is made by [IncludeDeleted].
type IncludeDeletedOption struct{}

// IncludeDeleted lists deleted streams as well.
func IncludeDeleted() IncludeDeletedOption { return IncludeDeletedOption{} }

func (IncludeDeletedOption) applyToList(r *minkpb.ListStreamsRequest) { r.IncludeDeleted = true }

// PageSizeOption is made by [PageSize].
type PageSizeOption struct{ streams int32 }

// PageSize is how many streams the server sends at once, at most 1000. 0: 100.
func PageSize(streams int32) PageSizeOption { return PageSizeOption{streams} }

func (o PageSizeOption) applyToList(r *minkpb.ListStreamsRequest) { r.PageSize = o.streams }

// TombstoneOption is made by [Tombstone].
type TombstoneOption struct{}

// Tombstone leaves a tombstone: nothing can be appended under the stream's name ever again.
func Tombstone() TombstoneOption { return TombstoneOption{} }

func (TombstoneOption) applyToDeletion(r *minkpb.DeleteStreamRequest) { r.Tombstone = true }
