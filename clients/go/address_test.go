package mink

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

func TestAddressesThatAreGoodAndThatAreNot(t *testing.T) {
	for _, good := range []string{
		"localhost:50051", "mink.example:1", "127.0.0.1:65535", "[::1]:50051", "dns:///mink:50051", "dns://8.8.8.8/mink:50051", "dns:mink:1",
		"passthrough:///mink:1", "unix:/run/mink", "unix:///run/mink", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1",
	} {
		if err := checkAddress(good, "server"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"localhost", "localhost:", ":50051", "localhost:0", "localhost:65536", "localhost:http", "::1", "::1:50051", "[::1]", "http://localhost:50051",
		"https://localhost:50051/", "localhost:50051/x", "grpc://mink:1", "dns:///mink", "unix:", "ipv4:127.0.0.1", "ipv4:127.0.0.1:1,127.0.0.2",
		"mink :1", "mink\n:1", "xds:///mink", "localhost:+1",
	} {
		err := checkAddress(bad, "server")
		var wrong *InvalidRequest
		if !errors.As(err, &wrong) || wrong.Fields[0].Field != "server" {
			t.Errorf("%q: %v", bad, err)
		}
		if client, err := New(bad); err == nil {
			t.Errorf("a client was made for %q", bad)
			_ = client.Close()
		}
	}
	if err := checkAddress(secret, "server"); strings.Contains(err.Error(), secret) {
		t.Errorf("a token in the address's place is shown: %v", err)
	}
}

func TestATimeoutIsAboveZero(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1} {
		if _, err := New("localhost:1", WithTimeout(timeout)); Reason(err) != "INVALID_REQUEST" {
			t.Errorf("%v: %v", timeout, err)
		}
	}
}

func TestAListOfAddressesIsTriedUntilOneAnswers(t *testing.T) {
	server := newFake(t)
	server.unary = func(string, proto.Message) (proto.Message, error) { return &minkpb.GetStreamResponse{}, nil }
	client := newTestClient(t, "ipv4:127.0.0.1:1,"+server.address)
	if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
		t.Error(err)
	}
}

func TestConnectSaysAtOnceThatNobodyIsThere(t *testing.T) {
	began := time.Now()
	var away *Unavailable
	if err := newTestClient(t, "127.0.0.1:1").Connect(t.Context()); !errors.As(err, &away) {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := newTestClient(t, newFake(t).address).Connect(t.Context()); err != nil {
		t.Errorf("a server without a health service: %v", err)
	}
}
