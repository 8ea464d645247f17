package mink

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Each of these is a mistake that somebody makes on the first day.
func TestWhatToLookAtIsSaidWhenThereIsAServerAndNoConnection(t *testing.T) {
	pki, other := newPKI(t), newPKI(t)
	spoken := func(change func(*tls.Config)) string {
		config := &tls.Config{Certificates: []tls.Certificate{pki.server}}
		change(config)
		return newFake(t, grpc.Creds(credentials.NewTLS(config))).address
	}
	good := spoken(func(*tls.Config) {})
	demanding := spoken(func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pki.pool })
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	trusting := WithTLS(TLS{CAFile: pki.ca})
	for about, c := range map[string]struct {
		address string
		option  Option
		says    string
	}{
		"TLS, and the server does not":   {newFake(t).address, trusting, "does not speak TLS"},
		"no TLS, and the server does":    {good, WithoutTLS(), "turn TLS on here"},
		"nobody trusted has signed":      {good, WithTLS(TLS{CAFile: other.ca}), "look at TLS.CAFile"},
		"nobody the machine trusts has":  {good, WithTLS(TLS{}), "look at TLS.CAFile"},
		"another name":                   {good, WithTLS(TLS{CAFile: pki.ca, ServerName: "other.test"}), "for another name"},
		"a certificate that has expired": {spoken(expired(t, pki, -time.Hour)), trusting, "has expired"},
		"a certificate of tomorrow":      {spoken(expired(t, pki, 48*time.Hour)), trusting, "not valid yet"},
		"no client certificate":          {demanding, trusting, "wants a client certificate"},
		"HTTP":                           {strings.TrimPrefix(web.URL, "http://"), WithoutTLS(), "it speaks HTTP"},
		"somebody who says nothing":      {silent.Addr().String(), WithoutTLS(), "does not answer"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			client := newTestClient(t, c.address, c.option, WithTimeout(7*time.Second))
			if err := client.Connect(t.Context()); err == nil || Reason(err) != "UNAVAILABLE" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it is %v", err)
			}
		})
	}
}

func TestWhoeverIsNoMinkIsSaidToBeNone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	for kind, err := range allKinds(t.Context(), newTestClient(t, listener.Addr().String())) {
		if Reason(err) != "UNIMPLEMENTED" || !strings.Contains(err.Error(), listener.Addr().String()+" is no Mink") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// expired has a server show a certificate that begins so far from now, and is good for a minute.
func expired(t *testing.T, pki *pki, from time.Duration) func(*tls.Config) {
	cert, key := pki.issueFrom(t, "server", time.Now().Add(from), time.Minute)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return func(config *tls.Config) { config.Certificates = []tls.Certificate{pair} }
}
