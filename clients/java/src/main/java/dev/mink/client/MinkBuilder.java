package dev.mink.client;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * How a client is made. What a program says comes before the environment, and that before the default.
 *
 * <pre>{@code
 * Mink mink = Mink.builder()
 *         .address("mink.example:50051")
 *         .tls(Tls.trusting(Path.of("ca.pem")))
 *         .tokenFile(Path.of("token"))
 *         .build();
 * }</pre>
 */
public final class MinkBuilder {
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(10);

    private final Function<String, String> environment;
    private String address;
    private Duration timeout = DEFAULT_TIMEOUT;
    private Tls tls;
    private Boolean tlsWanted;
    private String token;
    private Supplier<String> tokenSupplier;
    private Path tokenFile;
    private boolean insecureToken;
    private Executor executor = ForkJoinPool.commonPool();
    private OpenTelemetryTracing tracing;

    MinkBuilder(Function<String, String> environment) {
        this.environment = environment;
    }

    /**
     * Where the server is.
     *
     * @param address {@code host:port}, or one with a scheme of gRPC's, such as {@code dns:///host:port}; not said: the variable {@code
     *     MINK_SERVER}, or {@code localhost:50051}
     * @return this
     */
    public MinkBuilder address(String address) {
        this.address = address;
        return this;
    }

    /**
     * How long a call may take, with its retries.
     *
     * @param timeout above zero; not said: 10 seconds
     * @return this
     */
    public MinkBuilder timeout(Duration timeout) {
        this.timeout = Arguments.time("timeout", timeout);
        return this;
    }

    /**
     * How to speak TLS.
     *
     * @param tls taken as it is, whatever the environment says; not said: as {@code MINK_TLS}, {@code MINK_CA_FILE}, {@code
     *     MINK_CLIENT_CERT_FILE} and {@code MINK_CLIENT_KEY_FILE} say
     * @return this
     */
    public MinkBuilder tls(Tls tls) {
        this.tls = Objects.requireNonNull(tls, "tls");
        return this;
    }

    /**
     * Whether to speak TLS.
     *
     * @param wanted true: with the files that the environment names, and without {@code MINK_CA_FILE} with the authorities that this Java
     *     trusts; false: not at all
     * @return this
     */
    public MinkBuilder tls(boolean wanted) {
        this.tls = null;
        this.tlsWanted = wanted;
        return this;
    }

    /**
     * The token that says who the client is.
     *
     * @param token a token; not said: the variable {@code MINK_TOKEN}
     * @return this
     */
    public MinkBuilder token(String token) {
        this.token = Objects.requireNonNull(token, "token");
        this.tokenSupplier = null;
        return this;
    }

    /**
     * What fetches the token. {@link #build()} calls it and waits for it, at most the client's timeout; it is called again when the server
     * refuses the token. It runs in a thread of the client, may take its time, and may throw.
     *
     * @param fetch gives a token
     * @return this
     */
    public MinkBuilder token(Supplier<String> fetch) {
        this.tokenSupplier = Objects.requireNonNull(fetch, "fetch");
        this.token = null;
        return this;
    }

    /**
     * A file that holds the token, read again when it changes.
     *
     * @param file its path; not said: the variable {@code MINK_TOKEN_FILE}
     * @return this
     */
    public MinkBuilder tokenFile(Path file) {
        this.tokenFile = Objects.requireNonNull(file, "file");
        return this;
    }

    /**
     * Allows the token to go to another machine without TLS, where something else encrypts the way, such as a mesh.
     *
     * @param allowed false if it is not said
     * @return this
     */
    public MinkBuilder insecureToken(boolean allowed) {
        this.insecureToken = allowed;
        return this;
    }

    /**
     * Where the futures of {@link AsyncMink} are completed, and subscribers called. What runs there may wait. What it refuses runs in
     * {@link ForkJoinPool#commonPool()}. It must not run anything in the thread that calls it: that is the one of the network.
     *
     * @param executor not said: {@link ForkJoinPool#commonPool()}
     * @return this
     */
    public MinkBuilder executor(Executor executor) {
        this.executor = Objects.requireNonNull(executor, "executor");
        return this;
    }

    /**
     * Where traces go.
     *
     * @param tracing not said: the global OpenTelemetry, if the process has set one
     * @return this
     */
    public MinkBuilder tracing(OpenTelemetryTracing tracing) {
        this.tracing = Objects.requireNonNull(tracing, "tracing");
        return this;
    }

    /**
     * Makes the client. Nothing is connected before the first call.
     *
     * @return a client, to be closed
     * @throws IllegalArgumentException if the address has no port, or is a URL
     * @throws CredentialsException if a file cannot be used, the token cannot be one or cannot be fetched, or it would go to another
     *     machine in clear
     */
    public Mink build() {
        Address to = Settings.address(address, environment);
        Tls how = Settings.tls(tls, tlsWanted, environment);
        Credentials credentials =
                Settings.credentials(to, how, token, tokenSupplier, tokenFile, insecureToken, environment, timeout);
        Connection connection = new Connection(to, credentials, Tracings.of(tracing, to));
        return new Mink(new Client(connection, executor), timeout);
    }
}
