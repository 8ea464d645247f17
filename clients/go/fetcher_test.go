package mink

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hanging is a function that fetches no token, and heeds no context.
func hanging(t *testing.T) (Option, *atomic.Int32) {
	var asked atomic.Int32
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return WithTokenFunc(func(context.Context) (string, error) {
		asked.Add(1)
		<-release
		return "", errors.New("too late")
	}), &asked
}

func TestFetchingATokenTakesNoLongerThanTheCall(t *testing.T) {
	for _, kind := range []string{"unary", "append", "reading", "subscription"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			option, _ := hanging(t)
			client := newTestClient(t, "127.0.0.1:1", option, WithTimeout(300*time.Millisecond))
			began := time.Now()
			err := oneOf(t.Context(), client, kind)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
			if reason := Reason(err); reason != "DEADLINE_EXCEEDED" && (kind != "subscription" || reason != "UNAVAILABLE") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestFetchingATokenEndsWithTheContextTheClientAndTheSubscription(t *testing.T) {
	for _, kind := range []string{"unary", "append", "reading", "subscription"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			option, _ := hanging(t)
			client := newTestClient(t, "127.0.0.1:1", option, WithTimeout(time.Minute))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			if err := oneOf(ctx, client, kind); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if kind == "subscription" {
				subscription := client.SubscribeAll(t.Context())
				time.AfterFunc(50*time.Millisecond, func() { _ = subscription.Close() })
				for _, err := range subscription.Events() {
					if Reason(err) != "CLIENT_CLOSED" {
						t.Errorf("the subscription closed: %v", err)
					}
				}
			}
			time.AfterFunc(50*time.Millisecond, func() { _ = client.Close() })
			if err := oneOf(t.Context(), client, kind); Reason(err) != "CLIENT_CLOSED" {
				t.Errorf("the client closed: %v", err)
			}
		})
	}
}

func TestATokenIsFetchedOnceForAllWhoWaitAndForTheNext(t *testing.T) {
	server, _ := guardedFake(t)
	var asked atomic.Int32
	client := newTestClient(t, server.address, WithTokenFunc(func(context.Context) (string, error) {
		asked.Add(1)
		time.Sleep(400 * time.Millisecond)
		return "first", nil
	}))
	var all sync.WaitGroup
	for n := range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if n == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			if _, err := client.GetStream(ctx, "S-1"); (err != nil) != (n == 0) {
				t.Error(n, err)
			}
		}()
	}
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("it was fetched %d times", asked.Load())
	}
}

func TestNoFunctionIsRefused(t *testing.T) {
	_, err := New("", WithTokenFunc(nil))
	var unusable *CredentialsError
	if !errors.As(err, &unusable) || unusable.Argument != "token" {
		t.Error(err)
	}
}
