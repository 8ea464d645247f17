package mink

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"

	"google.golang.org/grpc/credentials"
)

const (
	tlsVariable      = "MINK_TLS"
	caFileVariable   = "MINK_CA_FILE"
	certFileVariable = "MINK_CLIENT_CERT_FILE"
	keyFileVariable  = "MINK_CLIENT_KEY_FILE"

	// A wrong switch that is longer may be a key or a token, and is not shown.
	longestSwitch = 20
)

// TLS is how to speak TLS. Files are PEM. They are read anew when they change; a call that is open is not broken for that.
//
// If it names no file, the files are those that MINK_CA_FILE, MINK_CLIENT_CERT_FILE and MINK_CLIENT_KEY_FILE name, if they do.
type TLS struct {
	// CAFile holds the authorities that may have signed the server's certificate. Empty: those that this machine trusts.
	CAFile string
	// CertFile is the client's own certificate, with the chain behind it. Empty: it has none.
	CertFile string
	// KeyFile is the key that belongs to it, without a passphrase.
	KeyFile string
	// ServerName is the name that the server's certificate must have. Empty: the host of the server's address.
	ServerName string
}

// chooseTLS says whether and how to speak TLS: as the program says; or else as the environment says, where naming a file turns it
// on as well. Nil is: not at all.
func chooseTLS(given *TLS, off bool) (*TLS, error) {
	if off {
		return nil, nil
	}
	chosen := TLS{}
	if given != nil {
		chosen = *given
	}
	on, said, err := tlsSwitch()
	if given == nil && (err != nil || said && !on) {
		return nil, err
	}
	if len(chosen.files()) == 0 {
		chosen.CAFile, chosen.CertFile, chosen.KeyFile = os.Getenv(caFileVariable), os.Getenv(certFileVariable), os.Getenv(keyFileVariable)
	}
	if given == nil && !on && len(chosen.files()) == 0 {
		return nil, nil
	}
	if (chosen.CertFile == "") != (chosen.KeyFile == "") {
		missing, there := "key_file", "cert_file"
		if chosen.CertFile == "" {
			missing, there = there, missing
		}
		return nil, unusable(missing, "goes with "+there+": a client certificate needs both", nil)
	}
	return &chosen, nil
}

func tlsSwitch() (on, said bool, err error) {
	text := strings.ToLower(strings.TrimSpace(os.Getenv(tlsVariable)))
	switch text {
	case "":
		return false, false, nil
	case "true", "1", "yes", "on":
		return true, true, nil
	case "false", "0", "no", "off":
		return false, true, nil
	}
	shown := "and nothing else"
	if len(text) <= longestSwitch {
		shown = "not " + text
	}
	return false, true, unusable("tls", tlsVariable+": true or false, "+shown, nil)
}

// files are those that are named.
func (t *TLS) files() []string {
	var named []string
	for _, name := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		if name != "" {
			named = append(named, name)
		}
	}
	return named
}

// load reads and checks the files.
func (t *TLS) load() (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		text, err := readFile("ca_file", t.CAFile)
		if err != nil {
			return nil, err
		}
		found := certificates(text)
		if len(found) == 0 {
			return nil, unusable("ca_file", t.CAFile+" holds no certificate in PEM form, or a damaged one", nil)
		}
		config.RootCAs = x509.NewCertPool()
		for _, certificate := range found {
			config.RootCAs.AddCert(certificate)
		}
	}
	if t.CertFile != "" {
		pair, err := t.pair()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// pair is the client's certificate with its key.
func (t *TLS) pair() (tls.Certificate, error) {
	chain, err := readFile("cert_file", t.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	found := certificates(chain)
	if len(found) == 0 {
		return tls.Certificate{}, unusable("cert_file", t.CertFile+" holds no certificate in PEM form, or a damaged one", nil)
	}
	text, err := readFile("key_file", t.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	switch {
	case bytes.Contains(text, []byte("ENCRYPTED")):
		return tls.Certificate{}, unusable("key_file", t.KeyFile+" is protected by a passphrase, which this client does not take", nil)
	case !bytes.Contains(text, []byte("PRIVATE KEY-----")):
		return tls.Certificate{}, unusable("key_file", t.KeyFile+" holds no private key in PEM form", nil)
	}
	key := privateKey(text)
	if key == nil {
		return tls.Certificate{}, unusable("key_file", t.KeyFile+" holds no usable private key", nil)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(found[0].PublicKey) {
		return tls.Certificate{}, unusable("key_file", t.KeyFile+" does not belong to the certificate in "+t.CertFile, nil)
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: found[0]}
	for _, certificate := range found {
		pair.Certificate = append(pair.Certificate, certificate.Raw)
	}
	return pair, nil
}

// certificates are those of a text in PEM form; none if one of them is damaged.
func certificates(text []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		found = append(found, certificate)
	}
	return found
}

// privateKey is the first one of a text in PEM form; nil if there is none that can be used.
func privateKey(text []byte) crypto.Signer {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			signer, _ := key.(crypto.Signer)
			return signer
		}
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return key
		}
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key
		}
		return nil
	}
	return nil
}

// The most that a file of credentials may hold: whoever names another file by mistake is told so soon.
const longestFile = 4 << 20

func readFile(argument, name string) ([]byte, error) {
	known, err := os.Stat(name)
	if err == nil && known.Size() > longestFile {
		return nil, unusable(argument, "cannot read "+name+": it is too large", nil)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, unusable(argument, "cannot read "+shownName(name)+": "+why(err), nil)
	}
	return text, nil
}

// shownName is a file's name, unless it is the content that was given in its place.
func shownName(name string) string {
	if len(name) > 300 || strings.ContainsAny(name, "\n\r") || strings.Contains(name, "-----") {
		return "it (its content was given, and not its path)"
	}
	return name
}

// why says what is wrong with a file, without its name.
func why(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
