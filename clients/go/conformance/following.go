package main

import (
	"fmt"
	"iter"
	"time"

	"github.com/mink-es/mink/clients/go"
)

const (
	patience = 20 * time.Second
	look     = 10 * time.Millisecond
)

// tooLate is: what a step waits for has not come in its time.
type tooLate string

func (t tooLate) Error() string { return string(t) }

// came is an event, or the end of a subscription.
type came struct {
	event mink.RecordedEvent
	err   error
	more  bool
}

// followed is a subscription, from which events are taken one by one.
//
// The event that is waited for is kept when a step ends before it comes.
type followed struct {
	subscription *mink.Subscription
	next         func() (mink.RecordedEvent, error, bool)
	stop         func()
	waiting      chan came // nil: nobody waits for an event
}

func follow(subscription *mink.Subscription) *followed {
	f := &followed{subscription: subscription}
	f.next, f.stop = iter.Pull2(subscription.Events())
	return f
}

// take takes events.
func (f *followed) take(count int) (object, error) {
	found, end := []any{}, time.Now().Add(patience)
	for len(found) < count {
		one := f.await(end)
		if one == nil {
			return nil, tooLate(fmt.Sprintf("%d of %d events came within %v: %s", len(found), count, patience, shown(found)))
		}
		if one.err != nil {
			return nil, f.failed(one.err)
		}
		found = append(found, toldEvent(one.event))
	}
	return object{"events": found, "position": f.subscription.Position()}, nil
}

// caughtUp takes messages until the subscription has caught up.
func (f *followed) caughtUp() (object, error) {
	found, end := []any{}, time.Now().Add(patience)
	for !f.subscription.CaughtUp() || len(f.waiting) > 0 {
		one := f.await(time.Now().Add(look))
		switch {
		case one == nil && time.Now().After(end):
			return nil, tooLate(fmt.Sprintf("not caught up within %v, after %d events", patience, len(found)))
		case one == nil:
		case one.err != nil:
			return nil, f.failed(one.err)
		default:
			found = append(found, toldEvent(one.event))
		}
	}
	s := f.subscription
	return object{"events": found, "position": s.Position(), "head": s.Head(), "log_id": s.LogID()}, nil
}

// quiet waits for events that are not to come.
func (f *followed) quiet(time_ time.Duration) (object, error) {
	if one := f.await(time.Now().Add(time_)); one != nil {
		if one.err != nil {
			return nil, f.failed(one.err)
		}
		return nil, tooLate(fmt.Sprintf("an event came, where none was to come for %v: %s", time_, shown(toldEvent(one.event))))
	}
	return object{"position": f.subscription.Position()}, nil
}

// ended takes events until the subscription fails, which is given.
func (f *followed) ended() (object, error) {
	end := time.Now().Add(patience)
	for taken := 0; ; taken++ {
		one := f.await(end)
		if one == nil {
			return nil, tooLate(fmt.Sprintf("the subscription did not end within %v, after %d events", patience, taken))
		}
		if one.err != nil {
			return nil, f.failed(one.err)
		}
	}
}

// failed gives an error back; an iterator that has failed gives nothing any more, and another one is taken.
func (f *followed) failed(err error) error {
	f.stop()
	f.next, f.stop = iter.Pull2(f.subscription.Events())
	return err
}

// await waits for the next event, or for the subscription's end; nil: neither came in time.
func (f *followed) await(end time.Time) *came {
	if f.waiting == nil {
		waiting, next := make(chan came, 1), f.next
		f.waiting = waiting
		go func() {
			event, err, more := next()
			waiting <- came{event, err, more}
		}()
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case one := <-f.waiting:
		f.waiting = nil
		return &one
	case <-timer.C:
		return nil
	}
}

func (f *followed) close() {
	_ = f.subscription.Close()
	if f.waiting != nil {
		<-f.waiting
		f.waiting = nil
	}
	f.stop()
}
