package mink

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// A tour through a real server: everything that a client can do, once. The conformance cases go further.
func TestEverythingOnce(t *testing.T) {
	client := newTestClient(t, realServer(t))
	ctx, name := t.Context(), uuid.NewString()[:8]
	order, invoice := "Order"+name+"-1", "Invoice"+name+"-1"
	if err := client.Connect(ctx); err != nil {
		t.Fatal(err)
	}

	placed := JSON("OrderPlaced", map[string]any{"sku": "A<1", "qty": 2}, WithMetadata(map[string]string{"user": "7"}))
	done, err := client.Append(ctx, order, NoStream, placed, Binary("Label", []byte{0, 255}, WithID(uuid.NewString())))
	if err != nil || done.Version != 2 || done.LastPosition != done.FirstPosition+1 || done.Replayed {
		t.Fatal(done, err)
	}
	var wrong *WrongExpectedVersion
	if _, err = client.Append(ctx, order, Version(7), JSON("OrderShipped", nil)); !errors.As(err, &wrong) || wrong.Actual != 2 || wrong.Expected != Version(7) {
		t.Error(err)
	}
	again, err := client.AppendMany(ctx, StreamAppend{invoice, NoStream, []NewEvent{RawJSON("Sent", ` {"a": 1.0} `)}}, StreamAppend{Stream: order, Expected: StreamExists})
	if err != nil || len(again.Streams) != 2 || again.Streams[1] != (StreamAppended{Stream: order, Version: 2}) {
		t.Error(again, err)
	}

	var events []RecordedEvent
	for event, err := range client.ReadStream(ctx, order) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	var fields struct{ SKU string }
	if err := events[0].Unmarshal(&fields); err != nil || fields.SKU != "A<1" || events[0].Text() != `{"qty":2,"sku":"A<1"}` {
		t.Error(events[0].Text(), err)
	}
	first := events[0]
	if first.ID() != placed.ID() || !maps.Equal(first.Metadata(), map[string]string{"user": "7"}) || first.Category() != "Order"+name ||
		time.Since(first.RecordedAt()).Abs() > time.Minute || !first.IsJSON() || first.Type() != "OrderPlaced" || first.Stream() != order {
		t.Errorf("%+v", first)
	}
	if events[1].IsJSON() || string(events[1].Data()) != "\x00\xff" || events[1].Size() != 2 {
		t.Errorf("%+v", events[1])
	}

	saved, err := client.SaveSnapshot(ctx, order, 1, JSONState(map[string]int{"qty": 2}), WithMetadata(map[string]string{"revision": "1"}))
	if err != nil || saved != (SnapshotSaved{true, 1}) {
		t.Error(saved, err)
	}
	snapshot, tail, err := client.Load(ctx, order)
	if err != nil || snapshot.Text() != `{"qty":2}` || snapshot.Metadata()["revision"] != "1" || len(tail) != 1 || tail[0].Version() != 2 {
		t.Error(snapshot, tail, err)
	}
	if snapshot, tail, err := client.Load(ctx, invoice); err != nil || snapshot != nil || len(tail) != 1 || tail[0].Text() != ` {"a": 1.0} ` {
		t.Error(snapshot, tail, err)
	}
	if snapshot, err = client.LoadSnapshot(ctx, order); err != nil || snapshot.Version() != 1 || snapshot.Stream() != order {
		t.Error(snapshot, err)
	}
	if version, err := client.DeleteSnapshot(ctx, order); err != nil || version != 1 {
		t.Error(version, err)
	}

	if info, err := client.GetStream(ctx, order); err != nil || info.Version != 2 || info.Events != 2 || info.FirstRecordedAt.IsZero() {
		t.Error(info, err)
	}
	listed := 0
	for _, err := range client.ListStreams(ctx, "Order"+name) {
		if err != nil {
			t.Error(err)
		}
		listed++
	}
	if listed != 1 {
		t.Errorf("%d streams were listed", listed)
	}
	if removed, err := client.TruncateStream(ctx, order, 2); err != nil || removed != (Removed{1, 2}) {
		t.Error(removed, err)
	}
	if removed, err := client.DeleteStream(ctx, order, Version(2), Tombstone()); err != nil || removed != (Removed{1, 2}) {
		t.Error(removed, err)
	}
	var deleted *StreamDeleted
	if _, err := client.Append(ctx, order, Any, JSON("T", nil)); !errors.As(err, &deleted) || deleted.Stream != order {
		t.Error(err)
	}

	found, err := minkpb.NewOperationsClient(client.Conn()).Diagnose(ctx, &minkpb.DiagnoseRequest{})
	if err != nil || len(found.GetChecks()) == 0 {
		t.Error(found, err)
	}
}

func TestManyGoroutinesShareAClientWhileOthersFollow(t *testing.T) {
	const callers, each = 20, 25
	client := newTestClient(t, realServer(t))
	category := "Many" + uuid.NewString()[:8]
	var all sync.WaitGroup
	for range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			subscription := client.SubscribeAll(t.Context(), Categories(category))
			defer subscription.Close()
			count, last := 0, int64(0)
			for event, err := range subscription.Events() {
				if err != nil || event.Position() <= last {
					t.Error(event, err)
					return
				}
				last = event.Position()
				if count++; count == callers*each {
					return
				}
			}
		}()
	}
	for caller := range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range each {
				if _, err := client.Append(t.Context(), fmt.Sprintf("%s-%d", category, caller), Version(int64(n)), JSON("T", n)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	for range client.ReadAllBatches(t.Context(), Categories(category), Backwards(), Limit(3)) {
		break
	}
}
