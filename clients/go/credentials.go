package mink

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	tokenVariable     = "MINK_TOKEN"
	tokenFileVariable = "MINK_TOKEN_FILE"

	longestToken = 4096

	// How often the files are looked at, at most.
	lookEvery = time.Second
)

// tokenSource is where the token comes from: one of the three, or none of them.
type tokenSource struct {
	text  *string
	fetch func(context.Context) (string, error)
	file  string

	noFetch bool // a function was given, and it is nil
}

// chooseToken is what the program says, or else what the environment says; one source at most.
func chooseToken(given tokenSource) (tokenSource, error) {
	if given.noFetch {
		return given, unusable("token", "the function that fetches it is nil", nil)
	}
	if given.text != nil && given.fetch != nil {
		return given, unusable("token", "a text and a function: one of the two", nil)
	}
	if (given.text != nil || given.fetch != nil) && given.file != "" {
		return given, unusable("token_file", "goes without token: one of the two", nil)
	}
	if given.text != nil || given.fetch != nil || given.file != "" {
		return given, nil
	}
	text, file := os.Getenv(tokenVariable), os.Getenv(tokenFileVariable)
	if text != "" && file != "" {
		return given, unusable("token_file", tokenVariable+" and "+tokenFileVariable+" are both set: one of the two", nil)
	}
	if text != "" {
		return tokenSource{text: &text}, nil
	}
	return tokenSource{file: file}, nil
}

func (s tokenSource) isThere() bool { return s.text != nil || s.fetch != nil || s.file != "" }

// checkToken gives the token without the white space around it. It stands in no error.
func checkToken(token, argument, where string) (string, error) {
	token = strings.TrimSpace(token)
	switch {
	case token == "":
		return "", unusable(argument, where+" is empty", nil)
	case strings.ContainsAny(token, "\r\n"):
		return "", unusable(argument, where+" has more than one line; a token is one", nil)
	case len(token) > longestToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		problem := fmt.Sprintf("%s is not %d or fewer printable ASCII characters without spaces", where, longestToken)
		return "", unusable(argument, problem, nil)
	}
	return token, nil
}

func readToken(file string) (string, error) {
	text, err := readFile("token_file", file)
	if err != nil {
		return "", err
	}
	return checkToken(string(text), "token_file", file)
}

// shown is what a call shows of the client; it is replaced as a whole.
type shown struct {
	authorization string // the header; empty: none
	transport     grpccredentials.TransportCredentials
	version       int // grows whenever the token or the certificates have changed
	tlsVersion    int // grows whenever the certificates have changed
}

// credentialStore is the token and the certificates of one client, renewed when what they come from changes.
type credentialStore struct {
	tls    *TLS // nil: not spoken
	source tokenSource
	log    *slog.Logger

	present atomic.Pointer[shown]
	lookAt  atomic.Int64 // when the files may be looked at again, in nanoseconds
	tokens  fetcher

	looking     sync.Mutex // guards what follows
	tokenSeen   fingerprint
	tlsSeen     fingerprint
	lastProblem string
}

func newCredentials(target string, speak *TLS, source tokenSource, inClear bool, log *slog.Logger) (*credentialStore, error) {
	if source.isThere() && speak == nil && !inClear && !isLoopback(target) {
		problem := "the token would go to another machine in clear: turn TLS on; or allow it, if something else encrypts the way"
		return nil, unusable("insecure_token", problem, nil)
	}
	c := &credentialStore{tls: speak, source: source, log: log}
	c.tokens.life, c.tokens.close = context.WithCancel(context.Background())
	c.lookAt.Store(time.Now().Add(lookEvery).UnixNano())
	first := shown{transport: insecure.NewCredentials()}
	var err error
	// The fingerprints before the files: what changes meanwhile is then read again.
	if speak != nil {
		c.tlsSeen = fingerprintOf(speak.files())
		if first.transport, err = speak.load(); err != nil {
			return nil, err
		}
	}
	var token string
	switch {
	case source.file != "":
		c.tokenSeen = fingerprintOf([]string{source.file})
		token, err = readToken(source.file)
	case source.text != nil:
		token, err = checkToken(*source.text, "token", "it")
	}
	if err != nil {
		return nil, err
	}
	if token != "" {
		first.authorization = "Bearer " + token
	}
	c.present.Store(&first)
	return c, nil
}

// now is what a call that begins now shows.
func (c *credentialStore) now(ctx context.Context) (*shown, error) {
	c.look(false)
	present := c.present.Load()
	for c.source.fetch != nil && present.authorization == "" {
		if err := c.fetch(ctx, present.version); err != nil {
			return nil, err
		}
		present = c.present.Load()
	}
	return present, nil
}

// look takes what has changed in the files. One that cannot be used is passed over, and looked at again.
func (c *credentialStore) look(now bool) {
	if c.source.file == "" && (c.tls == nil || len(c.tls.files()) == 0) {
		return
	}
	if moment := time.Now().UnixNano(); !now && moment < c.lookAt.Load() {
		return
	}
	c.looking.Lock()
	defer c.looking.Unlock()
	if moment := time.Now().UnixNano(); !now && moment < c.lookAt.Load() {
		return
	}
	c.lookAt.Store(time.Now().Add(lookEvery).UnixNano())
	err := c.lookAtToken()
	if err == nil {
		err = c.lookAtCertificates()
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != c.lastProblem {
		c.log.Warn("mink: credentials stay as they were", "problem", problem)
	}
	c.lastProblem = problem
}

func (c *credentialStore) lookAtToken() error {
	if c.source.file == "" {
		return nil
	}
	seen := fingerprintOf([]string{c.source.file})
	if seen == c.tokenSeen {
		return nil
	}
	token, err := readToken(c.source.file)
	if err != nil {
		return err
	}
	c.take(token)
	c.tokenSeen = seen
	return nil
}

func (c *credentialStore) lookAtCertificates() error {
	if c.tls == nil {
		return nil
	}
	seen := fingerprintOf(c.tls.files())
	if seen == c.tlsSeen {
		return nil
	}
	transport, err := c.tls.load()
	if err != nil {
		return err
	}
	c.replace(func(next *shown) {
		next.transport = transport
		next.version++
		next.tlsVersion++
	})
	c.tlsSeen = seen
	return nil
}

// renew gets another token, if there is one, after the server refused the one of a version. It says whether there are other
// credentials now, so that trying again makes sense.
func (c *credentialStore) renew(ctx context.Context, version int) bool {
	if c.present.Load().version == version {
		c.look(true)
	}
	if c.present.Load().version == version && c.source.fetch != nil {
		if err := c.fetch(ctx, version); err != nil {
			// The caller gets the server's answer. What somebody else's function says may hold a secret.
			c.log.Warn("mink: no new token could be fetched")
		}
	}
	return c.present.Load().version != version
}

func (c *credentialStore) take(token string) {
	header := "Bearer " + token
	if c.present.Load().authorization == header {
		return
	}
	c.replace(func(next *shown) {
		next.authorization = header
		next.version++
	})
}

func (c *credentialStore) replace(change func(*shown)) {
	for {
		present := c.present.Load()
		next := *present
		change(&next)
		if c.present.CompareAndSwap(present, &next) {
			return
		}
	}
}

// fingerprint is what changes when one of some files does.
type fingerprint string

func fingerprintOf(files []string) fingerprint {
	var found strings.Builder
	for _, file := range files {
		known, err := os.Stat(file)
		if err != nil {
			fmt.Fprintf(&found, "%v;", err)
			continue
		}
		fmt.Fprintf(&found, "%d %d %v;", known.ModTime().UnixNano(), known.Size(), identity(known))
	}
	return fingerprint(found.String())
}
