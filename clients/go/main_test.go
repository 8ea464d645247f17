package mink

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/mink-es/mink/clients/go/internal/servertest"
)

// TestMain holds all tests to leaving nothing running behind.
func TestMain(m *testing.M) {
	for _, name := range []string{
		serverVariable, tlsVariable, caFileVariable, certFileVariable, keyFileVariable, tokenVariable, tokenFileVariable,
	} {
		_ = os.Unsetenv(name)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	code := m.Run()
	if real.server != nil {
		real.server.Stop()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// real is the Mink that the tests of this package share.
var real struct {
	once   sync.Once
	server *servertest.Server
	err    error
}

func realServer(t testing.TB) string {
	t.Helper()
	real.once.Do(func() { real.server, real.err = servertest.Start() })
	servertest.Need(t, real.err)
	return real.server.Address
}

// newTestClient makes a client that ends with its test.
func newTestClient(t testing.TB, address string, options ...Option) *Client {
	t.Helper()
	client, err := New(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
