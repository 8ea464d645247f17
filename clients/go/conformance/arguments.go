package main

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mink-es/mink/clients/go"
)

// What the cases give to the client: events, expectations, options.

// badCase is: the case asks for what cannot be. No `fails` can describe it.
type badCase string

func (b badCase) Error() string { return string(b) }

// must ends the step if the case is wrong; steps.go catches it.
func must[T any](value T, err error) T {
	if err != nil {
		panic(badCase(err.Error()))
	}
	return value
}

func list(value any) []any {
	found, ok := value.([]any)
	if !ok {
		panic(badCase("a list, not " + shown(value)))
	}
	return found
}

func whole(value any) int64 {
	found, ok := value.(int64)
	if !ok {
		panic(badCase("a whole number, not " + shown(value)))
	}
	return found
}

func seconds(value any) time.Duration {
	switch value := value.(type) {
	case int64:
		return time.Duration(value) * time.Second
	case float64:
		return time.Duration(value * float64(time.Second))
	}
	panic(badCase("seconds, not " + shown(value)))
}

func truth(value any) bool {
	found, ok := value.(bool)
	if !ok {
		panic(badCase("true or false, not " + shown(value)))
	}
	return found
}

// text is a text, also where a word in braces has become a number.
func text(value any) string { return must(asText(value)) }

func texts(value any) []string {
	var found []string
	for _, entry := range list(value) {
		found = append(found, text(entry))
	}
	return found
}

func bytesOf(value any) []byte { return must(base64.StdEncoding.DecodeString(text(value))) }

func expected(said any) mink.Expected {
	switch said {
	case "ANY":
		return mink.Any
	case "NO_STREAM":
		return mink.NoStream
	case "STREAM_EXISTS":
		return mink.StreamExists
	case nil:
		return mink.Expected{}
	}
	return mink.Version(whole(said))
}

// metadata is what a case says of it, if it does.
func metadata(said object) (option mink.MetadataOption, there bool) {
	about, there := said["metadata"].(object)
	found := map[string]string{}
	for key, value := range about {
		found[key] = text(value)
	}
	return mink.WithMetadata(found), there
}

// events are those to append. They still have their words in braces: a kind of which there are many has one each.
func events(said any, names *scope) []mink.NewEvent {
	var found []mink.NewEvent
	if many, ok := said.(object); ok {
		count := whole(must(replaced(many["count"], names.get)))
		for i := range int(count) {
			one := must(replaced(many, names.numbered(i+1).get)).(object)
			found = append(found, event(one))
		}
		return found
	}
	for _, one := range list(said) {
		found = append(found, event(must(replaced(one, names.get)).(object)))
	}
	return found
}

func event(said object) mink.NewEvent {
	var options []mink.EventOption
	if id, there := said["id"]; there {
		options = append(options, mink.WithID(text(id)))
	}
	if about, there := metadata(said); there {
		options = append(options, about)
	}
	kind := text(said["type"])
	if data, there := said["binary"]; there {
		return mink.Binary(kind, bytesOf(data), options...)
	}
	if size, there := said["binary_size"]; there {
		return mink.Binary(kind, make([]byte, whole(size)), options...)
	}
	if size, there := said["json_size"]; there {
		return mink.RawJSON(kind, `"`+strings.Repeat("x", int(whole(size))-2)+`"`, options...)
	}
	return mink.RawJSON(kind, text(said["json"]), options...)
}

// appends are the parts of an append to several streams; they still have their words in braces.
func appends(said any, names *scope) []mink.StreamAppend {
	var found []mink.StreamAppend
	for _, one := range list(said) {
		part := one.(object)
		made := mink.StreamAppend{
			Stream:   text(must(replaced(part["stream"], names.get))),
			Expected: expected(must(replaced(part["expected"], names.get))),
		}
		if some, there := part["events"]; there {
			made.Events = events(some, names)
		}
		found = append(found, made)
	}
	return found
}

// filters are the options that choose events.
func filters(said object) []mink.FilterOption {
	var found []mink.FilterOption
	for name, option := range map[string]func(...string) mink.FilterOption{
		"streams": mink.Streams, "stream_prefixes": mink.StreamPrefixes, "categories": mink.Categories, "types": mink.Types,
	} {
		if value, there := said[name]; there {
			found = append(found, option(texts(value)...))
		}
	}
	return found
}

// client makes a client, as the step `client` says.
func client(said object, address any) (*mink.Client, error) {
	options := []mink.Option{mink.WithLogger(slog.New(slog.DiscardHandler))}
	for name, value := range said {
		switch name {
		case "as":
		case "address":
			address = value
		case "timeout":
			options = append(options, mink.WithTimeout(seconds(value)))
		case "token":
			options = append(options, mink.WithToken(text(value)))
		case "token_file":
			options = append(options, mink.WithTokenFile(text(value)))
		case "insecure_token":
			if truth(value) {
				options = append(options, mink.WithInsecureToken())
			}
		case "tls":
			options = append(options, tls(value))
		default:
			panic(badCase(fmt.Sprintf("a client has no option %q", name)))
		}
	}
	return mink.New(text(address), options...)
}

func tls(said any) mink.Option {
	files, named := said.(object)
	if !named {
		if truth(said) {
			return mink.WithTLS(mink.TLS{})
		}
		return mink.WithoutTLS()
	}
	var how mink.TLS
	for name, field := range map[string]*string{
		"ca_file": &how.CAFile, "cert_file": &how.CertFile, "key_file": &how.KeyFile, "server_name": &how.ServerName,
	} {
		if value, there := files[name]; there {
			*field = text(value)
		}
	}
	return mink.WithTLS(how)
}
