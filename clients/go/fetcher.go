package mink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long a token may take to be fetched.
const fetchPatience = 10 * time.Second

// fetcher fetches tokens with the function that the program gave, one at a time for all calls. Each call waits in its own time; the
// function, which may heed no context, holds nobody.
type fetcher struct {
	life  context.Context // ends when the client is closed
	close context.CancelFunc

	mu  sync.Mutex // guards what follows
	now *fetch     // nil: none is under way
}

// fetch is a token that is being fetched.
type fetch struct {
	over chan struct{} // ends when it is there, or not to be had
	err  error         // of the latter
}

// fetch gets a token in place of the one of a version, unless somebody else has: of what is under way already, it waits for the end.
func (c *credentialStore) fetch(ctx context.Context, version int) error {
	c.tokens.mu.Lock()
	if c.present.Load().version != version {
		c.tokens.mu.Unlock()
		return nil
	}
	one := c.tokens.now
	if one == nil {
		one = &fetch{over: make(chan struct{})}
		c.tokens.now = one
		go c.run(context.WithoutCancel(ctx), one)
	}
	c.tokens.mu.Unlock()
	select {
	case <-one.over:
		return one.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return late("the token was not fetched in time", causeOf(ctx))
		}
		return ctx.Err()
	case <-c.tokens.life.Done():
		return c.tokens.life.Err()
	}
}

// run fetches a token. It outlives the call that began it: others may wait as well, and the next one needs it.
func (c *credentialStore) run(ctx context.Context, one *fetch) {
	ctx, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	defer context.AfterFunc(c.tokens.life, cancel)()
	came := make(chan error, 1)
	var token string
	go func() {
		var err error
		token, err = c.source.fetch(ctx)
		came <- err
	}()
	select {
	case err := <-came:
		one.err = c.fetched(ctx, token, err)
	case <-ctx.Done():
		one.err = notInTime(ctx)
	}
	c.tokens.mu.Lock()
	c.tokens.now = nil
	c.tokens.mu.Unlock()
	close(one.over)
}

// fetched takes what the function has given.
func (c *credentialStore) fetched(ctx context.Context, token string, err error) error {
	if ctx.Err() != nil {
		return notInTime(ctx)
	}
	if err != nil {
		return unusable("token", "the function that fetches it failed", err)
	}
	if token, err = checkToken(token, "token", "what was fetched"); err != nil {
		return err
	}
	c.take(token)
	return nil
}

func notInTime(ctx context.Context) error {
	return unusable("token", fmt.Sprintf("it was not fetched within %v", fetchPatience), ctx.Err())
}
