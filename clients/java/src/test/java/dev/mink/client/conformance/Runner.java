package dev.mink.client.conformance;

import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;

/** Runs the cases that the harness names, and reports what came of them: clients/conformance/README.md. */
public final class Runner {
    private static final String CLIENT = "java";
    private static final long LIMIT_SECONDS = 60;

    private final Control control;
    private final ExecutorService threads = Executors.newCachedThreadPool();

    private Runner(Control control) {
        this.control = control;
    }

    /**
     * Runs the cases; ends with 0 if all have passed.
     *
     * @param args the version of the client
     * @throws IOException if a file cannot be read or written
     * @throws InterruptedException if it is to end
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        Logger.getLogger("").setLevel(Level.OFF); // connections break all the time here
        // No spans of its own: an append that no case traces is in no trace.
        GlobalOpenTelemetry.set(
                OpenTelemetry.propagating(ContextPropagators.create(W3CTraceContextPropagator.getInstance())));
        Map<String, String> told = System.getenv();
        Runner runner = new Runner(new Control(told.get("MINK_CONFORMANCE_CONTROL")));
        List<Map<String, Object>> results = runner.runAll(
                Path.of(told.get("MINK_CONFORMANCE_CASES")), told.getOrDefault("MINK_CONFORMANCE_ONLY", ""));
        Files.writeString(
                Path.of(told.get("MINK_CONFORMANCE_RESULTS")),
                Json.write(Map.of("client", CLIENT, "version", args[0], "results", results)));
        boolean passed =
                results.stream().allMatch(result -> result.get("passed").equals(true));
        System.exit(passed ? 0 : 1);
    }

    private List<Map<String, Object>> runAll(Path folder, String only) throws IOException, InterruptedException {
        List<Path> files;
        try (Stream<Path> found = Files.list(folder)) {
            files = found.filter(file -> file.toString().endsWith(".yaml"))
                    .sorted()
                    .toList();
        }
        List<Map<String, Object>> results = new ArrayList<>();
        for (Path path : files) {
            String file = path.getFileName().toString().replaceFirst("\\.yaml$", "");
            for (Object each : (List<?>) ((Map<?, ?>) Yaml.read(path)).get("cases")) {
                Map<?, ?> one = (Map<?, ?>) each;
                if ((file + ": " + one.get("name")).contains(only)) {
                    results.add(report(file, one));
                }
            }
        }
        return results;
    }

    private Map<String, Object> report(String file, Map<?, ?> one) throws InterruptedException {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("file", file);
        result.put("name", one.get("name"));
        result.put("passed", true);
        result.put("seconds", 0.0);
        if (one.get("unless") instanceof Map<?, ?> unless && unless.containsKey(CLIENT)) {
            result.put("skipped", unless.get(CLIENT));
            return result;
        }
        long began = System.nanoTime();
        Future<Void> run = threads.submit(() -> {
            run(file, one);
            return null;
        });
        String error = null;
        try {
            run.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            error = String.valueOf(failed.getCause().getMessage());
            if (System.getenv("MINK_CONFORMANCE_TRACES") != null) {
                failed.getCause().printStackTrace();
            }
        } catch (TimeoutException late) {
            run.cancel(true);
            error = "it took more than " + LIMIT_SECONDS + " s";
        }
        result.put("seconds", Math.round((System.nanoTime() - began) / 1e6) / 1e3);
        if (error != null) {
            result.put("passed", false);
            result.put("error", error);
            System.err.println(file + ": " + one.get("name") + ": " + error);
        }
        return result;
    }

    private void run(String file, Map<?, ?> one) throws IOException, InterruptedException {
        Object server = one.containsKey("server") ? one.get("server") : "plain";
        Scope scope =
                Scope.ofCase(control.ask("case", Map.of("file", file, "name", one.get("name"), "server", server)));
        Map<?, ?> options = one.containsKey("client") ? (Map<?, ?>) one.get("client") : Map.of();
        try (World world = new World(control, scope, options)) {
            new Steps(world).runAll((List<?>) one.get("steps"), scope, "");
        }
    }
}
