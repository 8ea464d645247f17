package mink

import "strings"

// What a person should look at when there is a server, and no connection with it; mostly for TLS. gRPC and Go have no codes for
// these, only words. Nothing but the sentence that is shown depends on finding them.

var advices = []struct{ words, look string }{
	{"first record does not look like a TLS handshake", "the server does not speak TLS: look at its settings and at the port, or turn TLS off here"},
	{"is before", "the server's certificate is not valid yet: look at the dates that stand in it, and at the clock of this machine"},
	{"certificate has expired", "the server's certificate has expired: renew it; or the clock of this machine is wrong"},
	{"certificate is valid for", wrongName},
	{"certificate is not valid for any names", wrongName},
	{"cannot validate certificate for", wrongName},
	{"certificate relies on legacy Common Name", wrongName},
	{"no application protocol", "it speaks TLS, and no gRPC: look at the port"},
	{"remote error: tls:", wantsCertificate},
	{"failed to verify certificate", "nobody who is trusted here has signed the server's certificate: look at TLS.CAFile (MINK_CA_FILE)"},
	{"looked like an HTTP/1.1 header", "it speaks HTTP, and no gRPC: look at the port"},
	{"malformed HTTP", "it speaks HTTP, and no gRPC: look at the port"},
	{"authentication handshake failed: EOF", wantsCertificate},
	{"authentication handshake failed", "the server and this client could not agree on TLS"},
	{"use of closed network connection", "somebody takes connections there and does not answer: a server that hangs or was stopped, or no Mink"},
}

const (
	wrongName        = "the server's certificate is for another name: use one that stands in it, or set TLS.ServerName"
	wantsCertificate = "the server hung up while TLS was agreed on: it wants a client certificate, and TLS.CertFile (MINK_CLIENT_CERT_FILE) is " +
		"missing, expired, or signed by somebody whom it does not trust; or it is no Mink with TLS, or is just stopping"
	wantsTLS = "the server hung up at once: if it speaks TLS, turn TLS on here (WithTLS, or MINK_TLS)"
)

// advice is what to look at; empty if nothing is known. The message is gRPC's of a call that could not reach its server.
func advice(message string, tls bool) string {
	for _, one := range advices {
		if strings.Contains(message, one.words) {
			return one.look
		}
	}
	hungUp := strings.Contains(message, "EOF") || strings.Contains(message, "connection reset") || strings.Contains(message, "broken pipe")
	switch {
	case tls && hungUp && strings.Contains(message, "write tcp"):
		return wantsCertificate // TLS 1.3: the server looks at it only after the client has begun to write
	case !hungUp || !strings.Contains(message, "error reading server preface"):
		return ""
	case tls:
		return wantsCertificate
	}
	return wantsTLS
}
