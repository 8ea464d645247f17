package mink_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	mink "github.com/mink-es/mink/clients/go"
)

type order struct {
	SKU string `json:"sku"`
	Qty int    `json:"qty"`
}

func ExampleNew() {
	client, err := mink.New("mink.example:50051", mink.WithTLS(mink.TLS{CAFile: "ca.pem"}), mink.WithTokenFile("token"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleClient_Append() {
	ctx, client := setUp()
	done, err := client.Append(ctx, "Order-1", mink.NoStream, mink.JSON("OrderPlaced", order{"A-1", 2}))
	var wrong *mink.WrongExpectedVersion
	switch {
	case errors.As(err, &wrong):
		fmt.Println(wrong.Stream, "is at version", wrong.Actual)
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(done.Version, done.LastPosition)
	}
}

func ExampleClient_AppendMany() {
	ctx, client := setUp()
	_, err := client.AppendMany(ctx,
		mink.StreamAppend{Stream: "Order-1", Expected: mink.Version(1), Events: []mink.NewEvent{mink.JSON("OrderPaid", nil)}},
		mink.StreamAppend{Stream: "Customer-7", Expected: mink.StreamExists}, // only checked
	)
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_ReadStream() {
	ctx, client := setUp()
	for event, err := range client.ReadStream(ctx, "Order-1", mink.FromVersion(3), mink.Limit(10)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Version(), event.Type(), event.Text())
	}
}

func ExampleClient_Load() {
	ctx, client := setUp()
	state := order{}
	snapshot, events, err := client.Load(ctx, "Order-1")
	if err != nil {
		log.Fatal(err)
	}
	if snapshot != nil {
		if err := snapshot.Unmarshal(&state); err != nil {
			log.Fatal(err)
		}
	}
	for _, event := range events {
		fmt.Println("not in the snapshot:", event)
	}
}

func ExampleClient_SubscribeAll() {
	ctx, client := setUp()
	subscription := client.SubscribeAll(ctx, mink.After(0), mink.Types("OrderPlaced"))
	defer subscription.Close()
	for event, err := range subscription.Events() { // catches up, then live; carries on by itself
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Position(), event.Stream())
	}
}

func ExampleSubscription_Progress() {
	ctx, client := setUp()
	position, logID := int64(0), "" // as they were saved
	subscription := client.SubscribeAll(ctx, mink.After(position), mink.LogID(logID), mink.Categories("Order"))
	defer subscription.Close()
	for batch, err := range subscription.Progress() {
		if err != nil {
			log.Fatal(err)
		}
		for _, event := range batch {
			fmt.Println("to be handled:", event)
		}
		position, logID = subscription.Position(), subscription.LogID()
		fmt.Println("to be saved:", position, logID)
	}
}

func ExampleClient_SaveSnapshot() {
	ctx, client := setUp()
	if _, err := client.SaveSnapshot(ctx, "Order-1", 7, mink.JSONState(order{"A-1", 2})); err != nil {
		log.Fatal(err)
	}
}

func setUp() (context.Context, *mink.Client) {
	client, err := mink.New("")
	if err != nil {
		log.Fatal(err)
	}
	return context.Background(), client
}
