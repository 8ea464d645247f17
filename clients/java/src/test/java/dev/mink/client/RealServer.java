package dev.mink.client;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A real server with a Postgres of its own, shared by all tests of a run; it ends with the run. */
final class RealServer {
    private static final Path REPOSITORY = Path.of("../..").toAbsolutePath().normalize();
    private static final Pattern ADDRESS = Pattern.compile("gRPC +(\\S+)");
    private static final long PATIENCE_SECONDS = 120;

    private static RealServer running;

    private final Process process;
    private final Path folder;
    private final CompletableFuture<String> address = new CompletableFuture<>();

    private RealServer() throws IOException {
        folder = Files.createTempDirectory("mink-java-test-");
        // Postgres does not run as root: the account that runs it instead must get there.
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        ProcessBuilder builder =
                new ProcessBuilder(REPOSITORY.resolve(".venv/bin/mink").toString(), "serve");
        builder.environment().keySet().removeIf(name -> name.startsWith("MINK_") || name.startsWith("DATABASE_"));
        for (String listen : new String[] {"MINK_LISTEN", "MINK_HTTP_LISTEN", "MINK_METRICS_LISTEN"}) {
            builder.environment().put(listen, "127.0.0.1:0");
        }
        builder.environment().put("MINK_DATA_DIR", folder.resolve("data").toString());
        builder.directory(folder.toFile()).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        process = builder.start();
        Runtime.getRuntime().addShutdownHook(new Thread(this::end));
        Thread reader = new Thread(this::read, "mink-server-log");
        reader.setDaemon(true);
        reader.start();
    }

    /** Where it is; started when it is asked for first. */
    static synchronized String address() {
        try {
            if (running == null) {
                running = new RealServer();
            }
            return running.address.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (Exception error) {
            throw new IllegalStateException("the server did not start (is there an environment? make env)", error);
        }
    }

    /** A client of it, that knows nothing of the environment. */
    static MinkBuilder client() {
        return new MinkBuilder(name -> null).address(address());
    }

    private void read() {
        StringBuilder said = new StringBuilder();
        try (var lines = new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                said.append(line).append('\n');
                Matcher found = ADDRESS.matcher(line);
                if (!address.isDone() && found.find()) {
                    address.complete(found.group(1));
                }
            }
        } catch (IOException error) {
            said.append(error);
        }
        address.completeExceptionally(new IllegalStateException(said.toString()));
    }

    private void end() {
        process.destroy();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
            try (Stream<Path> files = Files.walk(folder)) {
                files.sorted(Comparator.reverseOrder())
                        .forEach(file -> file.toFile().delete());
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
