package mink

import (
	"context"
	"sync"
	"testing"
	"time"
)

func (a *appender) kept() (queued, dead, inFlight int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue), a.dead, len(a.inFlight)
}

func TestAppendsWhoseCallersHaveGoneAreNotKept(t *testing.T) {
	const patientOnes, gone = 3, 200
	client := newTestClient(t, "127.0.0.1:1", WithTimeout(time.Minute))
	patience, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var patient sync.WaitGroup
	for range patientOnes {
		patient.Add(1)
		go func() {
			defer patient.Done()
			_, _ = client.Append(patience, "Patient", Any, event())
		}()
	}
	for range 5 {
		var all sync.WaitGroup
		for range gone {
			all.Add(1)
			go func() {
				defer all.Done()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				if _, err := client.Append(ctx, "Gone", Any, event()); err == nil {
					t.Error("appended, where nobody is")
				}
			}()
		}
		all.Wait()
		if queued, _, inFlight := client.appender.kept(); queued > 2*patientOnes+1 || inFlight != 0 {
			t.Errorf("%d appends are queued, %d in flight, and %d callers wait", queued, inFlight, patientOnes)
		}
	}
	giveUp()
	patient.Wait()
	if queued, dead, _ := client.appender.kept(); queued != 0 || dead != 0 {
		t.Errorf("%d appends are queued, %d of them dead, and nobody waits", queued, dead)
	}
}

func TestNothingIsKeptAfterClosing(t *testing.T) {
	server := newFake(t)
	server.session = silent
	for about, address := range map[string]string{"nobody is there": "127.0.0.1:1", "it says nothing": server.address} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			client := newTestClient(t, address, WithTimeout(time.Minute))
			var all sync.WaitGroup
			for range 50 {
				all.Add(1)
				go func() {
					defer all.Done()
					_, _ = client.Append(t.Context(), "S-1", Any, event())
				}()
			}
			time.Sleep(100 * time.Millisecond)
			began := time.Now()
			_ = client.Close()
			if took := time.Since(began); took > closingGrace+300*time.Millisecond {
				t.Errorf("closing took %v", took)
			}
			all.Wait()
			if queued, dead, inFlight := client.appender.kept(); queued+dead+inFlight != 0 {
				t.Errorf("%d are queued, %d dead, %d in flight", queued, dead, inFlight)
			}
		})
	}
}
