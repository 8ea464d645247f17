package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.grpc.ServerCredentials;
import io.grpc.Status;
import io.grpc.TlsServerCredentials;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a person is told who has the wrong settings for TLS, or the wrong port. */
@Timeout(60)
class AdviceTest {
    @TempDir
    static Path keys;

    @BeforeAll
    static void make() throws Exception {
        TestCertificates.write(keys, TestCertificates.Kind.EC);
        TestCertificates.write(keys, TestCertificates.Kind.EC_OTHER);
    }

    private static Path file(String name) {
        return keys.resolve(name);
    }

    private static String said(int port, Tls tls) {
        MinkBuilder builder =
                new MinkBuilder(name -> null).address("127.0.0.1:" + port).timeout(Duration.ofMillis(700));
        try (Mink mink = (tls == null ? builder : builder.tls(tls)).build()) {
            var error = assertThrows(MinkException.class, () -> mink.getStream("S"));
            return error.getMessage();
        }
    }

    private static FakeServer speaksTls() throws Exception {
        return new FakeServer(TlsServerCredentials.create(
                file("EC.pem").toFile(), file("EC.key").toFile()));
    }

    private static int port(FakeServer server) {
        return Integer.parseInt(server.address().replaceAll(".*:", ""));
    }

    private static void assertSaid(String expected, String message) {
        assertTrue(message.contains(expected), message);
        assertFalse(message.contains("Pipeline"), message);
        assertFalse(message.contains("\n"), message);
    }

    @Test
    void aServerThatSpeaksTls() throws Exception {
        Tls trusting = Tls.trusting(file("EC.pem"));
        try (FakeServer server = speaksTls()) {
            int port = port(server);
            assertSaid("if it speaks TLS, turn TLS on here", said(port, null));
            assertSaid("nobody who is trusted here has signed", said(port, Tls.systemTrust()));
            assertSaid("nobody who is trusted here has signed", said(port, Tls.trusting(file("EC_OTHER.pem"))));
            assertSaid("is for another name", said(port, trusting.withServerName("other")));
            assertSaid("is for another name", said(port, trusting));
        }
    }

    @Test
    void aServerThatDoesNotSpeakTls() throws Exception {
        try (FakeServer server = new FakeServer()) {
            assertSaid("the server does not speak TLS", said(port(server), Tls.systemTrust()));
        }
    }

    @Test
    void aServerThatWantsAnotherCertificate() throws Exception {
        ServerCredentials both = TlsServerCredentials.newBuilder()
                .keyManager(file("EC.pem").toFile(), file("EC.key").toFile())
                .trustManager(file("EC.pem").toFile())
                .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                .build();
        Tls tls = Tls.trusting(file("EC.pem")).withServerName("localhost");
        try (FakeServer server = new FakeServer(both)) {
            assertSaid("it wants a client certificate", said(port(server), tls));
            Tls wrong = tls.withClientCertificate(file("EC_OTHER.pem"), file("EC_OTHER.key"));
            assertSaid("it wants a client certificate", said(port(server), wrong));
        }
    }

    @Test
    void thePortOfSomethingElse() throws Exception {
        HttpServer http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.start();
        try {
            assertSaid(
                    "cannot reach Mink at 127.0.0.1:" + http.getAddress().getPort()
                            + ": what answers there does not speak gRPC",
                    said(http.getAddress().getPort(), null));
        } finally {
            http.stop(0);
        }
    }

    @Test
    void aServerThatWasThereAndIsAwayIsNothingToChangeSettingsFor() {
        var away = Status.UNAVAILABLE.withDescription("Network closed for unknown reason");
        assertEquals("", Advice.to(away, false, true));
        assertEquals("", Advice.to(Status.NOT_FOUND.withDescription("Network closed"), false, false));
    }
}
