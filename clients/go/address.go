package mink

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// The address of a server: what gRPC takes, without what it would silently take for something else.

const (
	defaultServer  = "localhost:50051"
	serverVariable = "MINK_SERVER"
)

// chooseAddress is what the program says, or else the environment, or else the default.
func chooseAddress(given string) (string, error) {
	if given != "" {
		return given, checkAddress(given, "server")
	}
	if fromEnvironment := os.Getenv(serverVariable); fromEnvironment != "" {
		return fromEnvironment, checkAddress(fromEnvironment, serverVariable)
	}
	return defaultServer, nil
}

// checkAddress refuses what names no host and port. Without a port, gRPC would go to 443.
func checkAddress(server, name string) error {
	good := !strings.ContainsFunc(server, func(r rune) bool { return !unicode.IsPrint(r) })
	scheme, rest, _ := strings.Cut(server, ":")
	switch scheme {
	case "unix", "unix-abstract":
		good = good && rest != ""
	case "vsock", "xds":
		// gRPC speaks these if the program brings what they need.
		good = good && rest != "" && resolver.Get(scheme) != nil
	case "ipv4", "ipv6":
		good = good && !slices.ContainsFunc(strings.Split(rest, ","), func(part string) bool { return !hasPort(part) })
	case "dns", "passthrough":
		if strings.HasPrefix(rest, "/") {
			rest = rest[strings.LastIndex(rest, "/")+1:] // behind the authority: dns://8.8.8.8/host:port
		}
		good = good && hasPort(rest)
	default:
		good = good && hasPort(server)
	}
	if good {
		return nil
	}
	// It is not shown: what stands in its place by mistake may be a secret.
	return invalid(name, "must be HOST:PORT, for example "+defaultServer, nil)
}

func hasPort(address string) bool {
	colon := strings.LastIndex(address, ":")
	if colon < 0 {
		return false
	}
	host, port := address[:colon], address[colon+1:]
	if strings.HasPrefix(host, "[") {
		if !strings.HasSuffix(host, "]") {
			return false
		}
		host = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return false // an IPv6 address without brackets, whose last group would pass for a port
	}
	if host == "" || strings.ContainsAny(host, "/[]") || strings.ContainsFunc(host, unicode.IsSpace) {
		return false
	}
	if strings.ContainsFunc(port, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	number, err := strconv.Atoi(port)
	return err == nil && number > 0 && number <= 65_535
}

// isLoopback says whether an address certainly does not leave this machine. What is not understood may leave it.
func isLoopback(target string) bool {
	scheme, rest, _ := strings.Cut(target, ":")
	switch scheme {
	case "unix", "unix-abstract":
		return true
	case "ipv4", "ipv6":
		return !slices.ContainsFunc(strings.Split(rest, ","), func(part string) bool { return !isLoopbackHost(part) })
	case "dns", "passthrough":
		target = rest[strings.LastIndex(rest, "/")+1:]
	}
	return isLoopbackHost(target)
}

func isLoopbackHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// listed are the addresses of `ipv4:` and `ipv6:`, which gRPC knows in other languages and not in Go; none for any other target.
func listed(target string) (resolver.Builder, string) {
	scheme, rest, _ := strings.Cut(target, ":")
	if scheme != "ipv4" && scheme != "ipv6" {
		return nil, target
	}
	builder := manual.NewBuilderWithScheme(scheme)
	var state resolver.State
	for address := range strings.SplitSeq(rest, ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	builder.InitialState(state)
	return builder, scheme + ":///" + rest
}

// hostAndPort are those of an address, for a trace; the port is 0 if there is none.
func hostAndPort(target string) (string, int) {
	host, port, err := net.SplitHostPort(target[strings.LastIndex(target, "/")+1:])
	if err != nil {
		return target, 0
	}
	number, _ := strconv.Atoi(port)
	return host, number
}
