// Command ordercount follows the log and counts orders, by what was ordered. Its counts, and how far it has come, are in one file that is
// replaced as a whole, so that each order is counted once, however often the program is stopped.
//
//	ordercount -file counts.json          follows until it is interrupted
//	ordercount -file counts.json -once    ends when it has caught up
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	mink "github.com/mink-es/mink/clients/go"
)

// counts is what the file holds.
type counts struct {
	// Position is the checkpoint: everything up to it is counted.
	Position int64 `json:"position"`
	// LogID is the log that the position came from.
	LogID string `json:"logId"`
	// Ordered is how many pieces of each thing were ordered.
	Ordered map[string]int `json:"ordered"`
}

// placed is what an OrderPlaced says.
type placed struct {
	SKU string `json:"sku"`
	Qty int    `json:"qty"`
}

func main() {
	file := flag.String("file", "counts.json", "where the counts are kept")
	once := flag.Bool("once", false, "end when all orders that there are have been counted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *file, *once); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, file string, once bool) error {
	found, err := read(file)
	if err != nil {
		return err
	}
	client, err := mink.New("") // MINK_SERVER, or localhost:50051
	if err != nil {
		return err
	}
	defer client.Close()
	subscription := client.SubscribeAll(ctx, mink.After(found.Position), mink.LogID(found.LogID), mink.Types("OrderPlaced"))
	defer subscription.Close()
	for batch, err := range subscription.Progress() {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, event := range batch {
			var order placed
			if err := event.Unmarshal(&order); err != nil {
				return fmt.Errorf("%v: %w", event, err)
			}
			found.Ordered[order.SKU] += order.Qty
		}
		found.Position, found.LogID = subscription.Position(), subscription.LogID()
		if err := found.write(file); err != nil {
			return err
		}
		if len(batch) > 0 {
			fmt.Printf("%d: %v\n", found.Position, found.Ordered)
		}
		if once && subscription.CaughtUp() {
			return nil
		}
	}
	return nil
}

func read(file string) (*counts, error) {
	found := &counts{Ordered: map[string]int{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(text, found)
}

// write replaces the file as a whole: a program that is killed leaves the old one or the new one.
func (c *counts) write(file string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}
