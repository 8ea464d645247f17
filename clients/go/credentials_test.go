package mink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/mink-es/mink/clients/go/minkpb"
)

const secret = "s3cret-token-value"

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	rewrite(t, path, text)
	return path
}

func rewrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsThatCannotBeUsedAreRefusedAndNotShown(t *testing.T) {
	pki := newPKI(t)
	other := newPKI(t)
	broken := write(t, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	token := write(t, "token", secret)
	for about, c := range map[string]struct {
		argument string
		options  []Option
	}{
		"an empty token":                      {"token", []Option{WithToken(" ")}},
		"a token of two lines":                {"token", []Option{WithToken(secret + "\nb")}},
		"a token with a space":                {"token", []Option{WithToken(secret + " b")}},
		"a token with an umlaut":              {"token", []Option{WithToken(secret + "ä")}},
		"a token that is too long":            {"token", []Option{WithToken(strings.Repeat(secret, 1000))}},
		"a token and a file":                  {"token_file", []Option{WithToken(secret), WithTokenFile(token)}},
		"a token and a function":              {"token", []Option{WithToken(secret), WithTokenFunc(func(context.Context) (string, error) { return "", nil })}},
		"a file that is not there":            {"token_file", []Option{WithTokenFile(token + "x")}},
		"a file without a token":              {"token_file", []Option{WithTokenFile(write(t, "empty", "\n"))}},
		"authorities that are not there":      {"ca_file", []Option{WithTLS(TLS{CAFile: token + "x"})}},
		"authorities that are none":           {"ca_file", []Option{WithTLS(TLS{CAFile: token})}},
		"authorities that are damaged":        {"ca_file", []Option{WithTLS(TLS{CAFile: broken})}},
		"a certificate without a key":         {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert})}},
		"a key without a certificate":         {"cert_file", []Option{WithTLS(TLS{KeyFile: pki.key})}},
		"a certificate that is none":          {"cert_file", []Option{WithTLS(TLS{CertFile: token, KeyFile: pki.key})}},
		"a key that is none":                  {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert, KeyFile: pki.cert})}},
		"a key of another certificate":        {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert, KeyFile: other.key})}},
		"a key's content and not its path":    {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert, KeyFile: "-----BEGIN KEY-----\n" + secret})}},
		"a key that is damaged":               {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert, KeyFile: write(t, "k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")})}},
		"a key with a passphrase":             {"key_file", []Option{WithTLS(TLS{CertFile: pki.cert, KeyFile: write(t, "k", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")})}},
		"a token in clear to another machine": {"insecure_token", []Option{WithToken(secret)}},
	} {
		t.Run(about, func(t *testing.T) {
			address := "localhost:50051"
			if c.argument == "insecure_token" {
				address = "mink.example:50051"
			}
			client, err := New(address, c.options...)
			if err == nil {
				_ = client.Close()
			}
			var unusable *CredentialsError
			if !errors.As(err, &unusable) || unusable.Argument != c.argument || Reason(err) != "CREDENTIALS" {
				t.Fatalf("it is %v", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("it shows the secret: %v", err)
			}
		})
	}
}

func TestATokenMayGoInClearToThisMachineOrIfAllowed(t *testing.T) {
	for _, address := range []string{"localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/x", "dns:///localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:1"} {
		newTestClient(t, address, WithToken(secret))
	}
	newTestClient(t, "mink.example:1", WithToken(secret), WithInsecureToken())
	newTestClient(t, "mink.example:1", WithToken(secret), WithTLS(TLS{}))
	for _, address := range []string{"localhost.example:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns:///10.0.0.1:1", "passthrough:///mink:1"} {
		if client, err := New(address, WithToken(secret)); Reason(err) != "CREDENTIALS" {
			t.Errorf("%s: %v", address, err)
			_ = client.Close()
		}
	}
}

func TestWhatAProgramSaysComesBeforeTheEnvironment(t *testing.T) {
	server := newFake(t)
	server.unary = failing(0, nil)
	t.Setenv(serverVariable, "127.0.0.1:1")
	t.Setenv(tokenVariable, "from-the-environment")
	sent := func(options ...Option) string {
		client := newTestClient(t, server.address, options...)
		if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
			t.Fatal(err)
		}
		calls := server.seen(minkpb.EventStore_GetStream_FullMethodName)
		return strings.Join(calls[len(calls)-1].header.Get("authorization"), ",")
	}
	if header := sent(); header != "Bearer from-the-environment" {
		t.Errorf("sent %q", header)
	}
	if header := sent(WithToken("from-the-program")); header != "Bearer from-the-program" {
		t.Errorf("sent %q", header)
	}
	if client := newTestClient(t, ""); client.Server() != "127.0.0.1:1" {
		t.Errorf("it goes to %s", client.Server())
	}
	t.Setenv(tokenFileVariable, write(t, "token", "x"))
	if _, err := New(""); Reason(err) != "CREDENTIALS" {
		t.Errorf("two variables: %v", err)
	}
	t.Setenv(tlsVariable, "perhaps")
	if _, err := New("", WithToken("x")); Reason(err) != "CREDENTIALS" {
		t.Errorf("a wrong switch: %v", err)
	}
	newTestClient(t, "", WithToken("x"), WithoutTLS())
}

// guarded is a server that takes one token, which a test may change.
type guarded struct {
	mu    sync.Mutex
	token string
}

func (g *guarded) set(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = token
}

func (g *guarded) refuses(f *fake, method string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls := f.seen(method)
	if header := calls[len(calls)-1].header.Get("authorization"); len(header) != 1 || header[0] != "Bearer "+g.token {
		return minkStatus(codes.Unauthenticated, "UNAUTHENTICATED")
	}
	return nil
}

func guardedFake(t *testing.T) (*fake, *guarded) {
	server, guard := newFake(t), &guarded{token: "first"}
	server.unary = func(method string, _ proto.Message) (proto.Message, error) {
		return &minkpb.GetStreamResponse{}, guard.refuses(server, method)
	}
	server.session = func(stream minkpb.EventStore_AppendSessionServer) error {
		if err := guard.refuses(server, minkpb.EventStore_AppendSession_FullMethodName); err != nil {
			return err
		}
		return answered(stream)
	}
	server.read = func(_ *minkpb.ReadStreamRequest, stream minkpb.EventStore_ReadStreamServer) error {
		return guard.refuses(server, minkpb.EventStore_ReadStream_FullMethodName)
	}
	server.subscribe = func(_ *minkpb.SubscribeAllRequest, stream minkpb.EventStore_SubscribeAllServer) error {
		if err := guard.refuses(server, minkpb.EventStore_SubscribeAll_FullMethodName); err != nil {
			return err
		}
		return stream.Send(eventsUpTo(1, 1, 1))
	}
	return server, guard
}

// allKinds makes a call of each kind.
func allKinds(ctx context.Context, client *Client) map[string]error {
	found := map[string]error{}
	for _, kind := range []string{"unary", "append", "reading", "subscription"} {
		found[kind] = oneOf(ctx, client, kind)
	}
	return found
}

func oneOf(ctx context.Context, client *Client, kind string) (err error) {
	switch kind {
	case "unary":
		_, err = client.GetStream(ctx, "S-1")
	case "append":
		_, err = client.Append(ctx, "S-1", Any, event())
	case "reading":
		for _, err = range client.ReadStream(ctx, "S-1") {
			break
		}
	case "subscription":
		subscription := client.SubscribeAll(ctx)
		defer subscription.Close()
		for _, err = range subscription.Events() {
			break
		}
	}
	return err
}

func TestATokenThatIsRefusedIsFetchedAnewOnceAndTheCallMadeAgain(t *testing.T) {
	server, guard := guardedFake(t)
	for kind := range allKinds(t.Context(), newTestClient(t, server.address, WithToken("first"))) {
		guard.set("first")
		var fetched atomic.Int32
		client := newTestClient(t, server.address, WithTokenFunc(func(context.Context) (string, error) {
			if fetched.Add(1) == 1 {
				return "stale", nil
			}
			return "first", nil
		}))
		if err := oneOf(t.Context(), client, kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if fetched.Load() != 2 {
			t.Errorf("%s: the token was fetched %d times", kind, fetched.Load())
		}
		guard.set("nobody-has-it")
		other := newTestClient(t, server.address, WithTokenFunc(func(context.Context) (string, error) {
			return fmt.Sprint("wrong-", fetched.Add(1)), nil
		}))
		fetched.Store(0)
		var refused *Unauthenticated
		if err := oneOf(t.Context(), other, kind); !errors.As(err, &refused) {
			t.Errorf("%s: %v", kind, err)
		}
		if fetched.Load() != 2 {
			t.Errorf("%s: for one call, the token was fetched %d times", kind, fetched.Load())
		}
	}
}

func TestAFileWithAnotherTokenIsNoticed(t *testing.T) {
	server, guard := guardedFake(t)
	file := write(t, "token", "first\n")
	client := newTestClient(t, server.address, WithTokenFile(file))
	if err := allKinds(t.Context(), client); err["unary"] != nil || err["append"] != nil {
		t.Fatal(err)
	}
	// At once, since the server refuses the one that there was.
	guard.set("second")
	rewrite(t, file, "second")
	for kind, err := range allKinds(t.Context(), client) {
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	// After a second, without that.
	rewrite(t, file, "third")
	time.Sleep(lookEvery + 50*time.Millisecond)
	guard.set("third")
	before := len(server.seen(minkpb.EventStore_GetStream_FullMethodName))
	if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
		t.Error(err)
	}
	if calls := len(server.seen(minkpb.EventStore_GetStream_FullMethodName)) - before; calls != 1 {
		t.Errorf("%d calls", calls)
	}
	// One that cannot be used is passed over.
	rewrite(t, file, "two words")
	time.Sleep(lookEvery + 50*time.Millisecond)
	if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
		t.Error(err)
	}
}

func TestWhatAFunctionThatFetchesATokenSaysWrongIsTheCallersError(t *testing.T) {
	cause := errors.New("no " + secret)
	client := newTestClient(t, "127.0.0.1:1", WithTokenFunc(func(context.Context) (string, error) { return "", cause }))
	for kind, err := range allKinds(t.Context(), client) {
		if Reason(err) != "CREDENTIALS" || !errors.Is(err, cause) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestMetadataOfTheCallersContextDoesNotGoAlong(t *testing.T) {
	server := newFake(t)
	server.unary = failing(0, nil)
	client := newTestClient(t, server.address, WithToken("mine"))
	ctx := outgoingWith(t.Context(), "authorization", "Bearer of-another-server", "x-other", "y")
	if _, err := client.GetStream(ctx, "S-1"); err != nil {
		t.Fatal(err)
	}
	header := server.seen(minkpb.EventStore_GetStream_FullMethodName)[0].header
	if got := header.Get("authorization"); len(got) != 1 || got[0] != "Bearer mine" || len(header.Get("x-other")) != 0 {
		t.Errorf("sent %v", header)
	}
	if agent := header.Get("user-agent")[0]; !strings.HasPrefix(agent, "mink-client-go/"+clientVersion) {
		t.Errorf("the user agent is %s", agent)
	}
}

func TestTLSWithAClientCertificateThatIsRenewed(t *testing.T) {
	pki := newPKI(t)
	var mu sync.Mutex
	var shownBy []string
	server := newFake(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pki.server}, ClientCAs: pki.pool, ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			shownBy = append(shownBy, state.PeerCertificates[0].Subject.CommonName)
			return nil
		},
	})))
	server.unary = failing(0, nil)
	client := newTestClient(t, server.address, WithTLS(TLS{CAFile: pki.ca, CertFile: pki.cert, KeyFile: pki.key}))
	if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
		t.Fatal(err)
	}
	cert, key := pki.issue(t, "renewed")
	rewrite(t, pki.cert, cert)
	rewrite(t, pki.key, key)
	time.Sleep(lookEvery + 50*time.Millisecond)
	if _, err := client.GetStream(t.Context(), "S-1"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(shownBy) != 2 || shownBy[0] != "client" || shownBy[1] != "renewed" {
		t.Errorf("certificates of %v were shown", shownBy)
	}
}

func TestTLSIsTurnedOnByAFileInTheEnvironmentAndChecksTheName(t *testing.T) {
	pki := newPKI(t)
	server := newFake(t, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pki.server}})))
	server.unary = failing(0, nil)
	t.Setenv(caFileVariable, pki.ca)
	for about, c := range map[string]struct {
		options []Option
		good    bool
	}{
		"nothing":              {nil, true},
		"TLS":                  {[]Option{WithTLS(TLS{})}, true},
		"TLS with a name":      {[]Option{WithTLS(TLS{ServerName: "mink.test"})}, true},
		"TLS with a wrong one": {[]Option{WithTLS(TLS{ServerName: "other.test"})}, false},
		"no TLS":               {[]Option{WithoutTLS()}, false},
	} {
		client := newTestClient(t, server.address, c.options...)
		if err := client.Connect(t.Context()); (err == nil) != c.good {
			t.Errorf("%s: %v", about, err)
		}
	}
}

// pki is an authority, and what it has signed, as files.
type pki struct {
	ca, cert, key string
	pool          *x509.CertPool
	server        tls.Certificate

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	p := &pki{pool: x509.NewCertPool()}
	p.authorityKey = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.authorityKey.Public(), p.authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	if p.authority, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.pool.AddCert(p.authority)
	p.ca = write(t, "ca.pem", encode("CERTIFICATE", der))
	cert, key := p.issue(t, "client")
	p.cert, p.key = write(t, "client.pem", cert), write(t, "client.key", key)
	cert, key = p.issue(t, "server")
	if p.server, err = tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pki) issue(t testing.TB, name string) (cert, key string) {
	t.Helper()
	return p.issueFrom(t, name, time.Now().Add(-time.Hour), 2*time.Hour)
}

func (p *pki) issueFrom(t testing.TB, name string, begins time.Time, lasts time.Duration) (cert, key string) {
	t.Helper()
	own := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: begins, NotAfter: begins.Add(lasts),
		DNSNames: []string{"localhost", "mink.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.authority, own.Public(), p.authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	written, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", written)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
