package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/mink-es/mink/clients/go"
)

// The operations of the cases: each takes its arguments as the case says them, and gives what the client gives.

// onClient are those whose arguments have no words in braces any more.
var onClient = map[string]func(context.Context, *mink.Client, object) (object, error){
	"read_stream":     readStream,
	"read_all":        readAll,
	"load":            load,
	"get_stream":      getStream,
	"list_streams":    listStreams,
	"truncate_stream": truncateStream,
	"delete_stream":   deleteStream,
	"save_snapshot":   saveSnapshot,
	"load_snapshot":   loadSnapshot,
	"delete_snapshot": deleteSnapshot,
	"close": func(_ context.Context, client *mink.Client, _ object) (object, error) {
		return object{}, client.Close()
	},
}

// onWorld are those on everything else of a case.
var onWorld = map[string]func(context.Context, *world, object) (object, error){
	"client": func(_ context.Context, w *world, said object) (object, error) {
		name := "main"
		if as, there := said["as"]; there {
			name = text(as)
		}
		return object{}, w.newClient(name, said)
	},
	"write_file": func(_ context.Context, w *world, said object) (object, error) {
		return object{}, w.writeFile(text(said["name"]), text(said["text"]))
	},
	"pause": func(ctx context.Context, _ *world, said object) (object, error) {
		select {
		case <-time.After(seconds(said["seconds"])):
		case <-ctx.Done():
		}
		return object{}, nil
	},
	"next": func(_ context.Context, w *world, said object) (object, error) {
		return of(w, said, func(f *followed) (object, error) { return f.take(int(whole(said["count"]))) })
	},
	"caught_up": func(_ context.Context, w *world, said object) (object, error) {
		return of(w, said, (*followed).caughtUp)
	},
	"quiet": func(_ context.Context, w *world, said object) (object, error) {
		return of(w, said, func(f *followed) (object, error) { return f.quiet(seconds(said["for"])) })
	},
	"ended": func(_ context.Context, w *world, said object) (object, error) { return of(w, said, (*followed).ended) },
	"unsubscribe": func(_ context.Context, w *world, said object) (object, error) {
		return of(w, said, func(f *followed) (object, error) {
			f.close()
			return object{}, nil
		})
	},
	"server":   asked("server"),
	"database": asked("database"),
	"fault":    asked("fault"),
	"seen":     asked("seen"),
}

func of(w *world, said object, do func(*followed) (object, error)) (object, error) {
	f, err := w.subscription(text(said["of"]))
	if err != nil {
		return nil, err
	}
	return do(f)
}

func asked(path string) func(context.Context, *world, object) (object, error) {
	return func(ctx context.Context, w *world, said object) (object, error) {
		return w.control.ask(ctx, path, said)
	}
}

// appendOne appends; the events still have their words in braces.
func appendOne(ctx context.Context, client *mink.Client, said object, names *scope) (object, error) {
	if traceparent, there := said["trace"]; there {
		carrier := propagation.MapCarrier{"traceparent": text(must(replaced(traceparent, names.get)))}
		ctx = propagation.TraceContext{}.Extract(ctx, carrier)
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return nil, badCase(fmt.Sprintf("%s names no trace", shown(traceparent)))
		}
	}
	stream := text(must(replaced(said["stream"], names.get)))
	result, err := client.Append(ctx, stream, expected(must(replaced(said["expected"], names.get))), events(said["events"], names)...)
	return toldAppend(result), err
}

func appendMany(ctx context.Context, client *mink.Client, said object, names *scope) (object, error) {
	result, err := client.AppendMany(ctx, appends(said["appends"], names)...)
	return toldAppendMany(result), err
}

func subscribe(ctx context.Context, w *world, client *mink.Client, said object) {
	var options []mink.SubscribeOption
	for _, filter := range filters(said) {
		options = append(options, filter)
	}
	if after, there := said["after"]; there {
		options = append(options, mink.After(whole(after)))
	}
	if said["from_end"] == true {
		options = append(options, mink.FromEnd())
	}
	if id, there := said["log_id"]; there {
		options = append(options, mink.LogID(text(id)))
	}
	if silence, there := said["silence_timeout"]; there {
		options = append(options, mink.SilenceTimeout(seconds(silence)))
	}
	w.subscribe(ctx, text(said["as"]), client, options)
}

func everything[T any](from iter.Seq2[T, error], tell func(T) object) ([]any, error) {
	found := []any{}
	for one, err := range from {
		if err != nil {
			return nil, err
		}
		found = append(found, tell(one))
	}
	return found, nil
}

func readStream(ctx context.Context, client *mink.Client, said object) (object, error) {
	var options []mink.ReadStreamOption
	if version, there := said["from_version"]; there {
		options = append(options, mink.FromVersion(whole(version)))
	}
	if said["backwards"] == true {
		options = append(options, mink.Backwards())
	}
	if limit, there := said["limit"]; there {
		options = append(options, mink.Limit(whole(limit)))
	}
	found, err := everything(client.ReadStream(ctx, text(said["stream"]), options...), toldEvent)
	return object{"events": found}, err
}

func readAll(ctx context.Context, client *mink.Client, said object) (object, error) {
	var options []mink.ReadAllOption
	for _, filter := range filters(said) {
		options = append(options, filter)
	}
	if after, there := said["after"]; there {
		options = append(options, mink.After(whole(after)))
	}
	if before, there := said["before"]; there {
		options = append(options, mink.Before(whole(before)))
	}
	if said["backwards"] == true {
		options = append(options, mink.Backwards())
	}
	if limit, there := said["limit"]; there {
		options = append(options, mink.Limit(whole(limit)))
	}
	found, err := everything(client.ReadAll(ctx, options...), toldEvent)
	return object{"events": found}, err
}

func load(ctx context.Context, client *mink.Client, said object) (object, error) {
	snapshot, events, err := client.Load(ctx, text(said["stream"]))
	return object{"snapshot": toldSnapshot(snapshot), "events": toldEvents(events)}, err
}

func getStream(ctx context.Context, client *mink.Client, said object) (object, error) {
	found, err := client.GetStream(ctx, text(said["stream"]))
	return toldStream(found), err
}

func listStreams(ctx context.Context, client *mink.Client, said object) (object, error) {
	prefix := ""
	if given, there := said["prefix"]; there {
		prefix = text(given)
	}
	var options []mink.ListStreamsOption
	if said["include_deleted"] == true {
		options = append(options, mink.IncludeDeleted())
	}
	if size, there := said["page_size"]; there {
		options = append(options, mink.PageSize(int32(whole(size))))
	}
	found, err := everything(client.ListStreams(ctx, prefix, options...), toldStream)
	return object{"streams": found}, err
}

func truncateStream(ctx context.Context, client *mink.Client, said object) (object, error) {
	found, err := client.TruncateStream(ctx, text(said["stream"]), whole(said["before_version"]))
	return object{"removed": found.Removed, "version": found.Version}, err
}

func deleteStream(ctx context.Context, client *mink.Client, said object) (object, error) {
	var options []mink.DeleteStreamOption
	if said["tombstone"] == true {
		options = append(options, mink.Tombstone())
	}
	found, err := client.DeleteStream(ctx, text(said["stream"]), expected(said["expected"]), options...)
	return object{"removed": found.Removed, "version": found.Version}, err
}

func saveSnapshot(ctx context.Context, client *mink.Client, said object) (object, error) {
	var options []mink.SaveSnapshotOption
	if about, there := metadata(said); there {
		options = append(options, about)
	}
	var state mink.State
	if data, there := said["binary"]; there {
		state = mink.BinaryState(bytesOf(data))
	} else {
		state = mink.RawJSONState(text(said["json"]))
	}
	found, err := client.SaveSnapshot(ctx, text(said["stream"]), whole(said["version"]), state, options...)
	return object{"saved": found.Saved, "version": found.Version}, err
}

func loadSnapshot(ctx context.Context, client *mink.Client, said object) (object, error) {
	found, err := client.LoadSnapshot(ctx, text(said["stream"]))
	return object{"snapshot": toldSnapshot(found)}, err
}

func deleteSnapshot(ctx context.Context, client *mink.Client, said object) (object, error) {
	version, err := client.DeleteSnapshot(ctx, text(said["stream"]))
	return object{"version": version}, err
}
