package dev.mink.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;

/**
 * How to speak TLS. Files are PEM; they are read when the client is made, and again when they change. It never changes itself.
 *
 * <pre>{@code
 * Tls.trusting(Path.of("ca.pem")).withClientCertificate(Path.of("client.pem"), Path.of("client.key"))
 * }</pre>
 */
public final class Tls {
    private final Path caFile;
    private final Path certFile;
    private final Path keyFile;
    private final String serverName;

    private Tls(Path caFile, Path certFile, Path keyFile, String serverName) {
        for (Path file :
                Stream.of(caFile, certFile, keyFile).filter(Objects::nonNull).toList()) {
            Secrets.checkPath(
                    file == caFile ? "ca_file" : file == certFile ? "cert_file" : "key_file", file.toString());
        }
        if ((certFile == null) != (keyFile == null)) {
            String missing = keyFile == null ? "key_file" : "cert_file";
            String given = keyFile == null ? "cert_file" : "key_file";
            throw new CredentialsException(missing, "goes with " + given + ": a client certificate needs both");
        }
        this.caFile = caFile;
        this.certFile = certFile;
        this.keyFile = keyFile;
        this.serverName = serverName;
    }

    /**
     * TLS with the authorities that this Java trusts.
     *
     * @return how to speak TLS
     */
    public static Tls systemTrust() {
        return new Tls(null, null, null, null);
    }

    /**
     * TLS with authorities of one's own.
     *
     * @param caFile the authorities that may have signed the server's certificate
     * @return how to speak TLS
     */
    public static Tls trusting(Path caFile) {
        return new Tls(Objects.requireNonNull(caFile, "caFile"), null, null, null);
    }

    /** Takes what may be null. */
    static Tls of(Path caFile, Path certFile, Path keyFile) {
        return new Tls(caFile, certFile, keyFile, null);
    }

    /**
     * The same with a certificate of the client's own.
     *
     * @param certFile the certificate, with the chain behind it
     * @param keyFile the key that belongs to it, without a passphrase
     * @return how to speak TLS
     */
    public Tls withClientCertificate(Path certFile, Path keyFile) {
        return new Tls(caFile, certFile, keyFile, serverName);
    }

    /**
     * The same with another name for the server.
     *
     * @param name the name that the server's certificate must have, if it is not the host of the server's address
     * @return how to speak TLS
     */
    public Tls withServerName(String name) {
        return new Tls(caFile, certFile, keyFile, name);
    }

    /** The files that are named. */
    List<Path> files() {
        return Stream.of(caFile, certFile, keyFile).filter(Objects::nonNull).toList();
    }

    Optional<String> serverName() {
        return Optional.ofNullable(serverName);
    }

    /**
     * Reads and checks the files.
     *
     * @throws CredentialsException if one cannot be read, or is not what it should be
     */
    ChannelCredentials credentials() {
        var credentials = TlsChannelCredentials.newBuilder();
        try {
            if (caFile != null) {
                credentials.trustManager(trust().getTrustManagers());
            }
            if (certFile != null) {
                credentials.keyManager(identity().getKeyManagers());
            }
        } catch (GeneralSecurityException | IOException error) {
            throw new CredentialsException(
                    "tls",
                    "this Java cannot take the certificates: "
                            + error.getClass().getSimpleName());
        }
        return credentials.build();
    }

    private TrustManagerFactory trust() throws GeneralSecurityException, IOException {
        KeyStore store = emptyStore();
        int number = 0;
        for (X509Certificate authority : PemFiles.certificates("ca_file", caFile)) {
            store.setCertificateEntry("ca-" + number++, authority);
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        return trust;
    }

    private KeyManagerFactory identity() throws GeneralSecurityException, IOException {
        List<X509Certificate> chain = PemFiles.certificates("cert_file", certFile);
        PrivateKey key = PemFiles.key(keyFile);
        PemFiles.checkPair(chain.get(0), certFile, key, keyFile);
        KeyStore store = emptyStore();
        store.setKeyEntry("client", key, new char[0], chain.toArray(new Certificate[0]));
        var identity = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        identity.init(store, new char[0]);
        return identity;
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    /** The files that are named. */
    @Override
    public String toString() {
        return "Tls" + files();
    }
}
