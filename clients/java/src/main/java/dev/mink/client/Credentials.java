package dev.mink.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** What a connection shows of itself: the token that goes with each call, and TLS; both renewed when what they come from changes. */
final class Credentials {
    private static final Logger LOG = System.getLogger("dev.mink.client");
    private static final long LOOK_EVERY = TimeUnit.SECONDS.toNanos(1);
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Tls tls;
    private final Path tokenFile;
    private final Supplier<String> fetch;
    private final boolean hasFiles;
    /** Held by the one that gets another token, which may take its time. What is below is guarded by this object itself. */
    private final Object renewing = new Object();

    private String authorization;
    private ChannelCredentials channelCredentials;
    private int version;
    private int tlsVersion;
    private long lookAt = System.nanoTime() + LOOK_EVERY;
    private List<String> tokenSeen;
    private List<String> tlsSeen;
    private String complaint = "";

    /**
     * Takes what was given, and checks it.
     *
     * @param tls how to speak TLS; null: not at all
     * @param token the token; null: none
     * @param fetch what fetches the token; null: nothing
     * @param tokenFile where the token stands; null: nowhere
     * @param timeout how long fetching it may take
     * @throws CredentialsException if something cannot be used
     */
    Credentials(Tls tls, String token, Supplier<String> fetch, Path tokenFile, Duration timeout) {
        this.tls = tls;
        this.tokenFile = tokenFile;
        this.fetch = fetch;
        this.hasFiles = tokenFile != null || (tls != null && !tls.files().isEmpty());
        // Before they are read: what changes meanwhile is then read again.
        this.tokenSeen = fingerprint(tokenFiles());
        this.tlsSeen = fingerprint(tlsFiles());
        this.channelCredentials = tls == null ? InsecureChannelCredentials.create() : tls.credentials();
        if (tokenFile != null) {
            take(Tokens.read(tokenFile));
        } else if (fetch != null) {
            take(Tokens.fetched(this::fetched, timeout));
        } else if (token != null) {
            take(Tokens.checked(token, "token", "it"));
        }
    }

    /** The version of the credentials with which a call would begin now; it grows whenever they have changed. */
    synchronized int version() {
        look(false);
        return version;
    }

    /** The version of the certificates with which a channel would be made now. */
    synchronized int tlsVersion() {
        look(false);
        return tlsVersion;
    }

    /** The certificates for a channel. */
    synchronized ChannelCredentials forChannel() {
        return channelCredentials;
    }

    boolean speaksTls() {
        return tls != null;
    }

    Optional<String> serverName() {
        return tls == null ? Optional.empty() : tls.serverName();
    }

    /** Adds the token to what goes with a call. */
    synchronized void write(Metadata headers) {
        if (authorization != null) {
            headers.put(AUTHORIZATION, authorization);
        }
    }

    /**
     * Gets another token, if there is one, after the server refused the present one. May take its time.
     *
     * @param refused the version that was refused
     * @return whether there are other credentials now, so that trying again makes sense
     */
    boolean renew(int refused) {
        synchronized (renewing) {
            synchronized (this) {
                if (version == refused) {
                    look(true);
                }
                if (version != refused) {
                    return true;
                }
            }
            if (fetch == null) {
                return false;
            }
            try {
                take(fetched());
            } catch (
                    RuntimeException
                            error) { // whatever somebody else's function throws; the caller gets the server's answer
                LOG.log(
                        Level.WARNING,
                        "no new token could be fetched: {0}",
                        error.getClass().getName());
            }
            synchronized (this) {
                return version != refused;
            }
        }
    }

    private String fetched() {
        return Tokens.checked(fetch.get(), "token", "what was fetched");
    }

    private synchronized void take(String token) {
        String taken = "Bearer " + token;
        if (!taken.equals(authorization)) {
            authorization = taken;
            version++;
        }
    }

    /** Takes what has changed in the files. One that cannot be used is passed over, and looked at again. */
    private void look(boolean now) {
        if (!hasFiles || (!now && System.nanoTime() - lookAt < 0)) {
            return;
        }
        lookAt = System.nanoTime() + LOOK_EVERY;
        try {
            List<String> seen = fingerprint(tokenFiles());
            if (!seen.equals(tokenSeen)) {
                take(Tokens.read(tokenFile));
                tokenSeen = seen;
            }
            seen = fingerprint(tlsFiles());
            if (!seen.equals(tlsSeen)) {
                channelCredentials = tls.credentials();
                tlsSeen = seen;
                version++;
                tlsVersion++;
            }
            complaint = "";
        } catch (CredentialsException error) {
            if (!error.getMessage().equals(complaint)) {
                complaint = error.getMessage();
                LOG.log(Level.WARNING, "credentials stay as they were: {0}", complaint);
            }
        }
    }

    private List<Path> tokenFiles() {
        return tokenFile == null ? List.of() : List.of(tokenFile);
    }

    private List<Path> tlsFiles() {
        return tls == null ? List.of() : tls.files();
    }

    /** What changes when one of the files does. */
    private static List<String> fingerprint(List<Path> files) {
        List<String> found = new ArrayList<>();
        for (Path file : files) {
            try {
                BasicFileAttributes seen = Files.readAttributes(file, BasicFileAttributes.class);
                found.add(seen.lastModifiedTime() + " " + seen.fileKey() + " " + seen.size());
            } catch (IOException error) {
                found.add(error.getClass().getName());
            }
        }
        return found;
    }
}
