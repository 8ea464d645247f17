package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Addresses of servers. */
class AddressTest {
    @ParameterizedTest
    @CsvSource({
        "localhost:50051, dns:///localhost:50051, localhost, 50051, true",
        "127.0.0.1:1, dns:///127.0.0.1:1, 127.0.0.1, 1, true",
        "127.1.2.3:1, dns:///127.1.2.3:1, 127.1.2.3, 1, true",
        "[::1]:50051, dns:///%5B::1%5D:50051, ::1, 50051, true",
        "mink.example:65535, dns:///mink.example:65535, mink.example, 65535, false",
        "127.example:1, dns:///127.example:1, 127.example, 1, false",
        "10.0.0.1:1, dns:///10.0.0.1:1, 10.0.0.1, 1, false",
        "dns:53, dns:///dns:53, dns, 53, false",
        "dns:localhost:1, dns:localhost:1, localhost, 1, true",
        "dns:///mink.example:1, dns:///mink.example:1, mink.example, 1, false",
        "dns://8.8.8.8/mink.example:1, dns://8.8.8.8/mink.example:1, mink.example, 1, false",
        "ipv4:10.0.0.1:1, dns:///10.0.0.1:1, 10.0.0.1, 1, false",
        "ipv6:[::1]:1, dns:///%5B::1%5D:1, ::1, 1, true",
    })
    void isTaken(String text, String target, String host, int port, boolean loopback) {
        Address address = Address.of(text, "address");
        assertEquals(target, address.target());
        assertEquals(host, address.host());
        assertEquals(port, address.port());
        assertEquals(loopback, address.isLoopback());
        assertEquals(text, address.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "localhost",
                "localhost:",
                ":50051",
                "localhost:0",
                "localhost:65536",
                "localhost:http",
                "localhost:-1",
                "::1:50051",
                "http://localhost:50051",
                "https://localhost:50051/",
                "localhost:50051/mink",
                "local host:1",
                "user@host:1",
                "dns:///localhost",
                "ipv4:10.0.0.1",
                "unix:",
                "xds:",
                "local\nhost:1",
                "localhost:٣"
            })
    void isRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> Address.of(text, "address"));
    }

    @Test
    void aSocketInTheFileSystemStaysOnThisMachine() {
        assertEquals("/run/mink", Address.of("unix:/run/mink", "address").path());
        assertEquals("/run/mink", Address.of("unix:///run/mink", "address").path());
        assertEquals(true, Address.of("unix:/run/mink", "address").isLoopback());
    }

    @Test
    void aTokenInItsPlaceIsNotShown() {
        var error = assertThrows(
                IllegalArgumentException.class, () -> Address.of("mink_0123456789ab_THESECRETPART", "address"));
        assertFalse(error.getMessage().contains("THESECRETPART"), error.getMessage());
        assertThrows(IllegalArgumentException.class, () -> Mink.connect("localhost"));
    }
}
