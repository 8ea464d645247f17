package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tokens, certificates, and what the environment says of them. */
class CredentialsTest {
    private static final String SECRET = "mink_0123456789ab_THESECRETPART";

    @TempDir
    static Path keys;

    @TempDir
    Path folder;

    @BeforeAll
    static void make() throws Exception {
        for (TestCertificates.Kind kind : TestCertificates.Kind.values()) {
            TestCertificates.write(keys, kind);
        }
    }

    private static Credentials made(MinkBuilderSays says) {
        Map<String, String> environment = says.environment;
        Address address = Address.of(says.address, "address");
        return Settings.credentials(
                address,
                Settings.tls(says.tls, says.tlsWanted, environment::get),
                says.token,
                null,
                says.tokenFile,
                says.insecureToken,
                environment::get,
                Duration.ofSeconds(5));
    }

    /** What a test says; nothing if it does not. */
    private static final class MinkBuilderSays {
        private String address = "localhost:50051";
        private Map<String, String> environment = Map.of();
        private Tls tls;
        private Boolean tlsWanted;
        private String token;
        private Path tokenFile;
        private boolean insecureToken;
    }

    private static String token(Credentials credentials) {
        Metadata headers = new Metadata();
        credentials.version();
        credentials.write(headers);
        return headers.get(FakeServer.AUTHORIZATION);
    }

    private static CredentialsException refused(MinkBuilderSays says) {
        var error = assertThrows(CredentialsException.class, () -> made(says));
        assertFalse(error.getMessage().contains("THESECRETPART"), error.getMessage());
        assertEquals("CREDENTIALS", error.reason());
        return error;
    }

    @Test
    void whatTheProgramSaysComesBeforeTheEnvironment() {
        var says = new MinkBuilderSays();
        says.environment = Map.of("MINK_TOKEN", "of-environment");
        assertEquals("Bearer of-environment", token(made(says)));
        says.token = " of-program\n";
        assertEquals("Bearer of-program", token(made(says)));
        says.environment = Map.of("MINK_TOKEN", "");
        says.token = null;
        assertNull(token(made(says)));
        assertEquals("localhost:50051", Settings.address(null, name -> null).toString());
        assertEquals(
                "a:1",
                Settings.address("", name -> name.equals("MINK_SERVER") ? "a:1" : null)
                        .toString());
        assertEquals("b:1", Settings.address("b:1", name -> "a:1").toString());
    }

    @Test
    void aTokenThatCannotBeOneIsRefusedAndNotShown() throws IOException {
        for (String token : new String[] {
            "", "  ", "THESECRETPART\nTHESECRETPART", "THESECRETPART ä", "THE SECRETPART", "x".repeat(5000)
        }) {
            var says = new MinkBuilderSays();
            says.token = token;
            assertEquals("token", refused(says).argument());
        }
        var both = new MinkBuilderSays();
        both.token = SECRET;
        both.tokenFile = Files.writeString(folder.resolve("token"), SECRET);
        assertEquals("token_file", refused(both).argument());
        var variables = new MinkBuilderSays();
        variables.environment = Map.of("MINK_TOKEN", SECRET, "MINK_TOKEN_FILE", "file");
        assertEquals("token_file", refused(variables).argument());
        var content = new MinkBuilderSays();
        content.environment = Map.of("MINK_TOKEN_FILE", SECRET);
        assertEquals("token_file", refused(content).argument());
        var none = new MinkBuilderSays();
        none.tokenFile = folder.resolve("none");
        assertEquals(
                "token_file: cannot read " + none.tokenFile + ": there is no such file",
                refused(none).getMessage());
    }

    @Test
    void aTokenGoesToAnotherMachineOverTlsOnly() {
        var says = new MinkBuilderSays();
        says.token = SECRET;
        says.address = "mink.example:50051";
        assertEquals("insecure_token", refused(says).argument());
        says.insecureToken = true;
        assertEquals("Bearer " + SECRET, token(made(says)));
        says.insecureToken = false;
        says.tlsWanted = true;
        assertEquals("Bearer " + SECRET, token(made(says)));
    }

    @Test
    void aFileOfATokenIsReadAgainWhenItChanges() throws Exception {
        Path file = Files.writeString(folder.resolve("token"), "one\n");
        var says = new MinkBuilderSays();
        says.tokenFile = file;
        Credentials credentials = made(says);
        assertEquals("Bearer one", token(credentials));
        int version = credentials.version();
        Files.writeString(file, "two\n");
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(5)));
        assertEquals("Bearer one", token(credentials), "it is looked at once a second");
        assertTrue(credentials.renew(version), "and at once if the token was refused");
        assertEquals("Bearer two", token(credentials));
        assertFalse(credentials.renew(credentials.version()), "there is no other one now");
        Files.writeString(file, "not a token");
        Thread.sleep(1100);
        assertEquals("Bearer two", token(credentials), "what cannot be used is passed over");
        Files.writeString(file, "three");
        Thread.sleep(1100);
        assertEquals("Bearer three", token(credentials));
    }

    @Test
    void whatFetchesATokenIsAskedWhenTheClientIsMadeAndWhenItIsRefused() {
        var count = new AtomicInteger();
        Credentials credentials =
                new Credentials(null, null, () -> "token-" + count.incrementAndGet(), null, Duration.ofSeconds(5));
        assertEquals("Bearer token-1", token(credentials));
        int version = credentials.version();
        assertTrue(credentials.renew(version));
        assertTrue(credentials.renew(version), "somebody else has fetched it");
        assertEquals("Bearer token-2", token(credentials));
        Credentials failing = new Credentials(
                null,
                null,
                () -> {
                    if (count.incrementAndGet() > 3) {
                        throw new IllegalStateException("no");
                    }
                    return "first";
                },
                null,
                Duration.ofSeconds(5));
        assertFalse(failing.renew(failing.version()));
        assertEquals("Bearer first", token(failing));
        assertThrows(
                CredentialsException.class,
                () -> RealServer.client().token(() -> "two lines\nof it").build());
    }

    @Test
    void tlsIsOnIfItIsSaidOrAFileIsNamed() {
        String ca = keys.resolve("EC.pem").toString();
        assertNull(Settings.tls(null, null, name -> null));
        assertEquals(
                "Tls[" + ca + "]",
                Settings.tls(null, null, name -> name.equals("MINK_CA_FILE") ? ca : null)
                        .toString());
        assertNull(Settings.tls(null, false, name -> name.equals("MINK_CA_FILE") ? ca : null));
        assertEquals("Tls[]", Settings.tls(null, true, name -> null).toString());
        assertEquals(
                "Tls[]",
                Settings.tls(null, null, name -> name.equals("MINK_TLS") ? "Yes" : null)
                        .toString());
        assertNull(Settings.tls(null, null, name -> name.equals("MINK_TLS") ? "off" : null));
        var error = assertThrows(
                CredentialsException.class,
                () -> Settings.tls(
                        null, null, name -> name.equals("MINK_TLS") ? "THESECRETPART and more of it" : null));
        assertEquals("tls: MINK_TLS: true or false, and nothing else", error.getMessage());
    }

    @ParameterizedTest
    @EnumSource(TestCertificates.Kind.class)
    void keysOfEveryFormAreTakenWithTheirCertificate(TestCertificates.Kind kind) {
        Path certificate = keys.resolve(kind + ".pem");
        Tls.trusting(certificate)
                .withClientCertificate(certificate, keys.resolve(kind + ".key"))
                .credentials();
    }

    @Test
    void filesThatCannotBeUsedAreNamed() throws IOException {
        Path certificate = keys.resolve("EC.pem");
        Path none = folder.resolve("none");
        Path empty = Files.writeString(folder.resolve("empty"), "THESECRETPART");
        Path damaged = Files.writeString(
                folder.resolve("damaged"), "-----BEGIN PRIVATE KEY-----\nTHESECRETPART\n-----END PRIVATE KEY-----\n");
        assertArgument("ca_file", "there is no such file", Tls.trusting(none));
        assertArgument("ca_file", "holds no certificate", Tls.trusting(empty));
        assertArgument("ca_file", "it is a folder", Tls.trusting(folder));
        assertArgument("key_file", "holds no private key", Tls.systemTrust().withClientCertificate(certificate, empty));
        assertArgument(
                "key_file",
                "holds no usable private key",
                Tls.systemTrust().withClientCertificate(certificate, damaged));
        for (String other : new String[] {"RSA.key", "EC_OTHER.key"}) {
            assertArgument(
                    "key_file",
                    "does not belong to the certificate",
                    Tls.systemTrust().withClientCertificate(certificate, keys.resolve(other)));
        }
        var half = assertThrows(
                CredentialsException.class, () -> Tls.systemTrust().withClientCertificate(certificate, null));
        assertEquals("key_file", half.argument());
        var content = assertThrows(
                CredentialsException.class, () -> Tls.trusting(Path.of("-----BEGIN CERTIFICATE-----THESECRETPART")));
        assertEquals("ca_file: holds the content, not the path of a file", content.getMessage());
    }

    private static void assertArgument(String argument, String problem, Tls tls) {
        var error = assertThrows(CredentialsException.class, tls::credentials);
        assertEquals(argument, error.argument());
        assertTrue(error.problem().contains(problem), error.problem());
        assertFalse(error.getMessage().contains("THESECRETPART"), error.getMessage());
    }

    @Test
    void aTokenThatCannotBeFetchedWhenTheClientIsMadeSaysWhyInItsCause() {
        var cause = new IllegalStateException("THESECRETPART");
        var error = assertThrows(CredentialsException.class, () -> new MinkBuilder(name -> null)
                .token(() -> {
                    throw cause;
                })
                .build());
        assertEquals("token: could not be fetched: java.lang.IllegalStateException", error.getMessage());
        assertSame(cause, error.getCause());
    }

    @Test
    void fetchingATokenTakesNoLongerThanTheTimeout() {
        long begin = System.nanoTime();
        var error = assertThrows(CredentialsException.class, () -> new MinkBuilder(name -> null)
                .timeout(Duration.ofMillis(200))
                .token(() -> {
                    LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(20));
                    return "late";
                })
                .build());
        assertEquals("token: was not fetched within 200 ms", error.getMessage());
        assertTrue(System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(5));
    }
}
