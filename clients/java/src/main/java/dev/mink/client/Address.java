package dev.mink.client;

import java.util.Set;

/** The address of a server: what gRPC takes, without what it would silently take for something else. */
final class Address {
    private static final int LARGEST_PORT = 65_535;
    private static final int LONGEST_SHOWN = 300;
    private static final Set<String> NUMERIC = Set.of("ipv4:", "ipv6:");

    private final String text;
    private final String scheme;

    private Address(String text, String scheme) {
        this.text = text;
        this.scheme = scheme;
    }

    /**
     * Takes an address that says host and port: without a port, gRPC would go to 443. It may have a scheme: {@code dns:///host:port},
     * {@code ipv4:host:port}, {@code ipv6:[host]:port}, {@code unix:/path}, {@code xds:///name}.
     *
     * @param text what was given
     * @param name what the caller calls it
     * @throws IllegalArgumentException if it is none
     */
    static Address of(String text, String name) {
        String scheme = scheme(text);
        String rest = text.substring(scheme.length());
        boolean printable = text.chars().noneMatch(Character::isISOControl);
        boolean good;
        if (scheme.equals("unix:") || scheme.equals("xds:")) {
            good = !rest.isEmpty();
        } else {
            good = hasPort(scheme.equals("dns:") ? rest.substring(rest.lastIndexOf('/') + 1) : rest);
        }
        if (!printable || !good) {
            String shown = text.length() <= LONGEST_SHOWN ? ", not '" + Secrets.without(text) + "'" : "";
            throw new IllegalArgumentException(name + ": HOST:PORT, for example localhost:50051" + shown);
        }
        return new Address(text, scheme);
    }

    private static String scheme(String text) {
        for (String scheme : new String[] {"dns:", "unix:", "xds:", "ipv4:", "ipv6:"}) {
            // A host may have the name of a scheme: dns:53.
            if (text.startsWith(scheme) && !hasPort(text)) {
                return scheme;
            }
        }
        return "";
    }

    /** What gRPC is told. */
    String target() {
        if (isLocal() || scheme.equals("xds:")) {
            return text;
        }
        String named = scheme.equals("dns:") ? text : "dns:///" + text.substring(scheme.length());
        // It is a URI there, where brackets stand for no address.
        return named.replace("[", "%5B").replace("]", "%5D");
    }

    /** Whether it is a socket in the file system. */
    boolean isLocal() {
        return scheme.equals("unix:");
    }

    /** The path of the socket. */
    String path() {
        String path = text.substring(scheme.length());
        return path.startsWith("///") ? path.substring(2) : path;
    }

    /** Whether it certainly does not leave this machine. What is not understood may leave it. */
    boolean isLoopback() {
        if (isLocal()) {
            return true;
        }
        if (scheme.equals("xds:")) {
            return false;
        }
        String host = host().toLowerCase(java.util.Locale.ROOT);
        return host.equals("localhost") || host.equals("::1") || isLoopbackNumber(host);
    }

    private static boolean isLoopbackNumber(String host) {
        String[] parts = host.split("\\.", -1);
        if (parts.length != 4 || !parts[0].equals("127")) {
            return false;
        }
        for (String part : parts) {
            if (part.length() > 3 || !isNumber(part) || Integer.parseInt(part) > 255) {
                return false;
            }
        }
        return true;
    }

    /** The host, without brackets; the whole address if it has none. */
    String host() {
        String address = text.substring(text.lastIndexOf('/') + 1);
        address = NUMERIC.contains(scheme) || (scheme.equals("dns:") && address.startsWith("dns:"))
                ? address.substring(scheme.length())
                : address;
        int colon = address.lastIndexOf(':');
        String host = colon < 0 ? address : address.substring(0, colon);
        return host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
    }

    /** The port; 0 if it has none. */
    int port() {
        String port = text.substring(text.lastIndexOf(':') + 1);
        return isNumber(port) && port.length() <= 5 ? Integer.parseInt(port) : 0;
    }

    private static boolean hasPort(String address) {
        int colon = address.lastIndexOf(':');
        if (colon < 0) {
            return false;
        }
        String host = address.substring(0, colon);
        String port = address.substring(colon + 1);
        if (host.startsWith("[")) {
            host = host.endsWith("]") ? host.substring(1, host.length() - 1) : "";
        } else if (host.indexOf(':') >= 0) {
            return false; // an IPv6 address without brackets, whose last group would pass for a port
        }
        if (host.isEmpty()
                || host.chars().anyMatch(character -> character <= ' ' || "/[]@?#".indexOf(character) >= 0)) {
            return false;
        }
        return isNumber(port)
                && port.length() <= 5
                && Integer.parseInt(port) > 0
                && Integer.parseInt(port) <= LARGEST_PORT;
    }

    private static boolean isNumber(String text) {
        return !text.isEmpty() && text.chars().allMatch(digit -> digit >= '0' && digit <= '9');
    }

    @Override
    public String toString() {
        return text;
    }
}
