package mink

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mink-es/mink/clients/go/minkpb"
)

const (
	// Appends in one message.
	mostAppends = 256
	// Bytes in one message. A larger append goes by itself, over a call of its own: if it is too large, no other suffers.
	mostBytes = 1 << 20
	// Appends sent and not answered.
	mostInFlight = 10_000
	// Messages sent since the last results, before the next one waits for results.
	mostUnanswered = 2
	// How long it waits for them at most.
	longestGathering = 5 * time.Millisecond
)

// appender sends the appends of all callers over one AppendSession, and opens another one when it breaks.
//
// Callers put their appends into a queue. One goroutine writes everything that has gathered since its last write as one message, so
// that the messages grow with the load, and a lone caller never waits for company. Another one reads results and wakes callers.
// Each caller watches over its own time.
type appender struct {
	connection *connection
	numbers    atomic.Int64
	wake       chan struct{} // holds something if there may be something to do
	answered   chan struct{} // holds something if results may have come
	over       chan struct{} // ends when callers are not waited for any more
	finished   chan struct{} // ends when the goroutine that runs sessions has
	ctx        context.Context
	stop       context.CancelFunc // ends what is open

	mu       sync.Mutex // guards what follows
	running  bool
	closing  bool
	callers  int
	idle     chan struct{} // ends when there are no callers any more, once it is closing
	queue    []*entry
	dead     int // entries of the queue whose callers do not wait any more
	inFlight map[int64]*entry
	sent     int   // messages since the last results
	down     error // why there is no session; nil while results come
}

// entry is one append, from its caller to its result.
type entry struct {
	number   int64
	body     []byte // a SessionAppend without its timeout
	deadline time.Time
	last     error         // of the last attempt
	ready    chan struct{} // ends when one of the following two is there

	result *minkpb.SessionResult
	err    error
	done   bool // has its result, or a caller that does not wait any more
}

func newAppender(c *connection) *appender {
	ctx, stop := context.WithCancel(context.Background())
	return &appender{
		ctx:        ctx,
		stop:       stop,
		connection: c,
		wake:       make(chan struct{}, 1),
		answered:   make(chan struct{}, 1),
		over:       make(chan struct{}),
		finished:   make(chan struct{}),
		idle:       make(chan struct{}),
		inFlight:   map[int64]*entry{},
	}
}

// begin is to be asked before an append, and release to be called when it is over: closing waits for it.
func (a *appender) begin() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return closed("the client is closed")
	}
	a.callers++
	return nil
}

func (a *appender) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callers--
	if a.closing && a.callers == 0 {
		close(a.idle)
	}
}

// send queues an append, and waits for what becomes of it.
func (a *appender) send(ctx context.Context, e *entry) (*minkpb.SessionResult, error) {
	a.mu.Lock()
	if !a.isOver() {
		if !a.running {
			a.running = true
			go a.run()
		}
		a.queue = append(a.queue, e)
	}
	a.mu.Unlock()
	a.wakeUp()
	select {
	case <-e.ready:
		return e.result, e.err
	case <-ctx.Done():
		return nil, a.abandon(ctx, e)
	case <-a.over:
		return nil, closed("the client was closed before the append was answered; whether it was made is unknown")
	}
}

// abandon takes out an append whose caller waits no longer, and says why that is.
func (a *appender) abandon(ctx context.Context, e *entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight[e.number] == e {
		full := len(a.inFlight) >= mostInFlight
		delete(a.inFlight, e.number)
		if full {
			a.wakeUp()
		}
	} else if !e.done {
		a.dead++
	}
	e.done = true // in the queue it is passed over
	// Without a session nobody takes from the queue: it is swept when more than half of it is dead, so that each sweep is paid for.
	if 2*a.dead > len(a.queue) {
		a.sweep()
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(causeOf(ctx))
	case a.down != nil:
		return a.down
	case e.last != nil:
		return e.last
	}
	return late("no answer from Mink at "+a.connection.target+" in time"+unknownOutcome, causeOf(ctx))
}

// sweep takes out of the queue what nobody waits for. It holds the lock.
func (a *appender) sweep() {
	var live []*entry
	for _, e := range a.queue {
		if !e.done {
			live = append(live, e)
		}
	}
	a.queue, a.dead = live, 0
}

func (a *appender) wakeUp() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// close refuses new appends, waits for those under way, and fails what is left after the grace.
func (a *appender) close(grace time.Duration) {
	a.mu.Lock()
	if a.closing {
		a.mu.Unlock()
		<-a.over
		return
	}
	a.closing = true
	if a.callers == 0 {
		close(a.idle)
	}
	a.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-a.idle:
	case <-timer.C:
	}
	a.mu.Lock()
	close(a.over)
	a.queue, a.dead = nil, 0
	clear(a.inFlight)
	a.mu.Unlock()
	a.wakeUp()
}

// wait waits until nothing runs any more; the server has a moment to end the session, but not longer than this.
func (a *appender) wait(longest time.Duration) {
	a.mu.Lock()
	running := a.running
	a.mu.Unlock()
	if running {
		timer := time.AfterFunc(min(goodbye, longest), a.stop)
		defer timer.Stop()
		<-a.finished
	}
	a.stop()
}

// isOver says whether nothing more will be sent.
func (a *appender) isOver() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}

// next waits until there is something to send, and gives everything that has gathered, within the bounds of one message. None: there
// will be nothing more, or the caller was told to stop.
func (a *appender) next(stop <-chan struct{}) []*entry {
	for {
		a.gather()
		if taken := a.take(); len(taken) > 0 {
			return taken
		}
		if a.isOver() {
			return nil
		}
		select {
		case <-a.wake:
		case <-stop:
			a.wakeUp() // for whoever comes after
			return nil
		}
	}
}

// holdBack lets appends gather while the server has enough to do: what it commits, and what it commits next. More messages would cost it
// more, and their appends would hardly be committed sooner. It waits for the next results, but never for long.
func (a *appender) holdBack(stop <-chan struct{}) {
	if !a.mayGather() {
		return
	}
	timer := time.NewTimer(longestGathering)
	defer timer.Stop()
	for a.mayGather() {
		select {
		case <-a.answered:
		case <-timer.C:
			return
		case <-stop:
			return
		}
	}
}

func (a *appender) mayGather() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent >= mostUnanswered && len(a.inFlight) > 0 && len(a.queue) < mostAppends
}

// gather lets everybody who is about to append do so first: callers who were woken together append together, and the first of them wakes
// the sender. It waits for nobody: when no other goroutine is ready to run, or those that are add nothing, it is over.
func (a *appender) gather() {
	for before := 0; ; {
		a.mu.Lock()
		waiting := len(a.queue)
		a.mu.Unlock()
		if waiting == before || waiting >= mostAppends {
			return
		}
		before = waiting
		runtime.Gosched()
	}
}

// hasWork waits until there is something to send; false if there never will be.
func (a *appender) hasWork() bool {
	for !a.isOver() {
		a.mu.Lock()
		waiting := len(a.queue) > 0
		a.mu.Unlock()
		if waiting {
			return true
		}
		<-a.wake
	}
	return false
}

func (a *appender) take() []*entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := min(mostAppends, mostInFlight-len(a.inFlight))
	var taken []*entry
	size, used := 0, 0
	for _, e := range a.queue {
		if !e.done {
			if len(taken) >= room || len(taken) > 0 && size+len(e.body) > mostBytes {
				break
			}
			size += len(e.body)
			taken = append(taken, e)
			a.inFlight[e.number] = e
		} else {
			a.dead--
		}
		used++
	}
	if len(taken) > 0 {
		a.sent++
	}
	clear(a.queue[:used])
	if a.queue = a.queue[used:]; len(a.queue) == 0 {
		a.queue = nil
	}
	return taken
}

// results hands results to their callers.
func (a *appender) results(response *minkpb.AppendSessionResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down, a.sent = nil, 0
	full := len(a.inFlight) >= mostInFlight
	for _, result := range response.GetResults() {
		e, waiting := a.inFlight[result.GetRequestId()]
		if !waiting {
			continue // its caller did not wait for it
		}
		delete(a.inFlight, e.number)
		e.done = true
		if failure := result.GetFailure(); failure != nil {
			e.err = fromFailure(failure)
		} else {
			e.result = result
		}
		close(e.ready)
	}
	select {
	case a.answered <- struct{}{}:
	default:
	}
	if full {
		a.wakeUp()
	}
}

// broken is for when the session has: what was in flight is sent again, before everything else; or all fail, if that is no use.
func (a *appender) broken(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = err
	if isTransient(err) {
		a.sendAgain(err)
		return
	}
	a.sendAgain(nil)
	for _, e := range a.queue {
		if !e.done {
			e.done, e.err = true, err
			close(e.ready)
		}
	}
	a.queue, a.dead = nil, 0
}

// sendAgain puts what was sent and not answered to the front of the queue. It holds the lock.
func (a *appender) sendAgain(err error) {
	if len(a.inFlight) == 0 {
		return
	}
	again := make([]*entry, 0, len(a.inFlight)+len(a.queue))
	for _, e := range a.inFlight {
		if err != nil {
			e.last = err
		}
		again = append(again, e)
	}
	clear(a.inFlight)
	a.sent = 0
	slices.SortFunc(again, func(x, y *entry) int { return cmp.Compare(x.number, y.number) })
	a.queue = append(again, a.queue...)
	a.wakeUp()
}
