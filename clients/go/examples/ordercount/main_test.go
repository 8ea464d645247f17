package main

import (
	"maps"
	"path/filepath"
	"testing"

	mink "github.com/mink-es/mink/clients/go"
	"github.com/mink-es/mink/clients/go/internal/servertest"
)

func TestEachOrderIsCountedOnceHoweverOftenTheProgramIsStopped(t *testing.T) {
	server, err := servertest.Start()
	servertest.Need(t, err)
	defer server.Stop()
	t.Setenv("MINK_SERVER", server.Address)
	client, err := mink.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	file := filepath.Join(t.TempDir(), "counts.json")
	for _, want := range []map[string]int{{"A": 2, "B": 1}, {"A": 4, "B": 2}} {
		for _, order := range []placed{{"A", 2}, {"B", 1}} {
			_, err := client.Append(t.Context(), "Order-1", mink.Any, mink.JSON("OrderPlaced", order), mink.JSON("Other", nil))
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time there is nothing new
			if err := run(t.Context(), file, true); err != nil {
				t.Fatal(err)
			}
			found, err := read(file)
			if err != nil || !maps.Equal(found.Ordered, want) || found.Position == 0 || found.LogID == "" {
				t.Errorf("counted %+v, not %v: %v", found, want, err)
			}
		}
	}
}
