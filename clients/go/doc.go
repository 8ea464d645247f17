// Package mink is the client of Mink, an event store over gRPC.
//
// A [Client] appends events to streams, reads them back, follows the log, and keeps snapshots. Make one with [New] and share
// it: it is safe for concurrent use, and what its callers append at the same time travels in the same messages.
//
//	client, err := mink.New("localhost:50051")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	done, err := client.Append(ctx, "Order-1", mink.NoStream, mink.JSON("OrderPlaced", order))
//	for event, err := range client.ReadStream(ctx, "Order-1") {
//		...
//	}
//
// # Time
//
// A call ends with its context, or after the client's timeout (see [WithTimeout]), whichever comes first; retries are within it.
// Of a reading the timeout is for each message, and not for the whole. A subscription has none once the server has answered.
//
// # Errors
//
// Every error is an [Error] for [errors.As], with a reason; where a program would act on it, it is also a type with data:
//
//	var wrong *mink.WrongExpectedVersion
//	if errors.As(err, &wrong) {
//		fmt.Println(wrong.Stream, wrong.Expected, wrong.Actual)
//	}
//
// A [StreamDeleted] is a [StreamNotFound] as well; [ShuttingDown] and [DatabaseUnavailable] are an [Unavailable]. An error that the
// caller's context brought about is also that context's error for [errors.Is].
//
// # Retries
//
// What fails because the server is away ([Unavailable]) or has too much to do ([Overloaded]) is tried again, within the call's time;
// appends too, since their events' ids make that safe. Calls that remove something are tried again only if the server certainly
// did nothing.
//
// The package minkpb has the messages and services as they are in the protos; see [Client.Conn].
package mink
