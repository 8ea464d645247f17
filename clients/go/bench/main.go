// Command bench measures the client against a server, as a program would use it. It prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	mink "github.com/mink-es/mink/clients/go"
)

func main() {
	if len(os.Args) < 2 {
		stop(fmt.Errorf("append or catch-up?"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	server := flags.String("server", "", "HOST:PORT")
	var figures any
	var err error
	switch os.Args[1] {
	case "append":
		var load load
		flags.IntVar(&load.callers, "callers", 64, "how many append at once")
		flags.Float64Var(&load.warmup, "warmup", 1, "seconds before it counts")
		flags.Float64Var(&load.seconds, "seconds", 4, "seconds that count")
		flags.IntVar(&load.bytes, "bytes", 256, "size of a payload")
		_ = flags.Parse(os.Args[2:])
		figures, err = load.measure(*server)
	case "catch-up":
		events := flags.Int("events", 1, "how many to take")
		_ = flags.Parse(os.Args[2:])
		figures, err = catchUp(*server, *events)
	default:
		err = fmt.Errorf("append or catch-up, not %s", os.Args[1])
	}
	if err != nil {
		stop(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		stop(err)
	}
}

func stop(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

type load struct {
	callers, bytes  int
	warmup, seconds float64
}

type appends struct {
	Appends int     `json:"appends"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}

// measure has so many callers append, each one event after the other to streams of their own.
func (l load) measure(server string) (*appends, error) {
	client, err := mink.New(server)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	begin := time.Now().Add(time.Duration(l.warmup * float64(time.Second)))
	end := begin.Add(time.Duration(l.seconds * float64(time.Second)))
	payload, run := make([]byte, l.bytes), uuid.NewString()
	took, failures := make([][]time.Duration, l.callers), make([]error, l.callers)
	var all sync.WaitGroup
	for caller := range l.callers {
		all.Add(1)
		go func() {
			defer all.Done()
			for number := 0; ; number++ {
				stream := fmt.Sprintf("Bench-%s-%d-%d", run, caller, number)
				started := time.Now()
				if started.After(end) {
					return
				}
				if _, err := client.Append(context.Background(), stream, mink.NoStream, mink.Binary("Measured", payload)); err != nil {
					failures[caller] = err
					return
				}
				if now := time.Now(); now.After(begin) && now.Before(end) {
					took[caller] = append(took[caller], now.Sub(started))
				}
			}
		}()
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(took...)))
	if len(sorted) == 0 {
		return nil, fmt.Errorf("nothing was appended in %v seconds", l.seconds)
	}
	at := func(share float64) float64 {
		return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
	}
	return &appends{len(sorted), l.seconds, at(0.5), at(0.99)}, nil
}

type caughtUp struct {
	Events  int     `json:"events"`
	Seconds float64 `json:"seconds"`
	sum     int64
}

// catchUp follows the log from its begin until so many events have come.
func catchUp(server string, events int) (*caughtUp, error) {
	client, err := mink.New(server)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, started := &caughtUp{}, time.Now()
	subscription := client.SubscribeAll(context.Background(), mink.After(0))
	defer subscription.Close()
	for batch, err := range subscription.Batches() {
		if err != nil {
			return nil, err
		}
		for _, event := range batch[:min(len(batch), events-found.Events)] {
			found.sum += event.Position() + int64(event.Size())
			found.Events++
		}
		if found.Events == events {
			break
		}
	}
	found.Seconds = time.Since(started).Seconds()
	return found, nil
}
