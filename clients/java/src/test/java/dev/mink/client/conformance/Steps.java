package dev.mink.client.conformance;

import dev.mink.client.Mink;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Runs the steps of a case. */
final class Steps {
    private static final Set<String> BESIDE = Set.of("by", "returns", "fails");

    private final World world;

    Steps(World world) {
        this.world = world;
    }

    /** A step did not go as the case says. The text has its number. */
    private static final class StepException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        StepException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /**
     * Runs steps one after the other.
     *
     * @param before the number of the step that these are part of, with a dot
     */
    void runAll(List<?> steps, Scope scope, String before) throws InterruptedException {
        for (int at = 0; at < steps.size(); at++) {
            run((Map<?, ?>) steps.get(at), scope, before + (at + 1));
        }
    }

    private void run(Map<?, ?> step, Scope scope, String number) throws InterruptedException {
        String operation = step.keySet().stream()
                .map(Object::toString)
                .filter(key -> !BESIDE.contains(key))
                .findFirst()
                .orElseThrow();
        try {
            switch (operation) {
                case "repeat" -> repeat((Map<?, ?>) step.get(operation), scope, number);
                case "together" -> together((List<?>) step.get(operation), scope, number);
                default -> one(operation, step, scope);
            }
        } catch (Matching.Mismatch | CaseException error) {
            throw new StepException("step " + number + " (" + operation + "): " + error.getMessage(), error);
        }
    }

    private void repeat(Map<?, ?> said, Scope scope, String number) throws InterruptedException {
        int times = ((Number) Braces.replaced(said.get("times"), scope)).intValue();
        int atOnce =
                said.containsKey("at_once") ? ((Number) Braces.replaced(said.get("at_once"), scope)).intValue() : 1;
        List<Callable<Void>> works = new ArrayList<>();
        for (int i = 1; i <= times; i++) {
            Scope inner = new Scope(scope, i);
            works.add(() -> {
                runAll((List<?>) said.get("steps"), inner, number + ".");
                inner.giveOut();
                return null;
            });
        }
        all(works, atOnce);
    }

    private void together(List<?> lists, Scope scope, String number) throws InterruptedException {
        List<Callable<Void>> works = new ArrayList<>();
        List<Scope> inner = new ArrayList<>();
        for (int at = 0; at < lists.size(); at++) {
            Scope own = new Scope(scope, null);
            inner.add(own);
            List<?> steps = (List<?>) lists.get(at);
            String before = number + "." + (at + 1) + ".";
            works.add(() -> {
                runAll(steps, own, before);
                return null;
            });
        }
        all(works, lists.size());
        inner.forEach(Scope::giveOut);
    }

    /** Does all, so many at a time; the first failure ends the others. */
    private static void all(List<Callable<Void>> works, int atOnce) throws InterruptedException {
        ExecutorService threads = Executors.newFixedThreadPool(atOnce);
        try {
            var done = new ExecutorCompletionService<Void>(threads);
            works.forEach(done::submit);
            for (int count = 0; count < works.size(); count++) {
                done.take().get();
            }
        } catch (ExecutionException error) {
            if (error.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new IllegalStateException(error.getCause());
        } finally {
            threads.shutdownNow();
        }
    }

    private void one(String operation, Map<?, ?> step, Scope scope) throws InterruptedException {
        Map<String, Object> came;
        try {
            came = perform(operation, step, scope);
        } catch (CaseException error) {
            throw error;
        } catch (RuntimeException error) {
            if (!step.containsKey("fails")) {
                throw mismatch("expected that it succeeds, came " + shown(error), error);
            }
            try {
                compare(step.get("fails"), Told.error(error), scope);
            } catch (Matching.Mismatch mismatch) {
                throw mismatch(mismatch.getMessage() + "; the error is " + error, error);
            }
            return;
        }
        if (step.containsKey("fails")) {
            throw new Matching.Mismatch("expected that it fails with " + Matching.shown(step.get("fails")) + ", came "
                    + Matching.shown(came));
        }
        if (step.containsKey("returns")) {
            compare(step.get("returns"), came, scope);
        }
    }

    private static Matching.Mismatch mismatch(String message, Throwable cause) {
        var mismatch = new Matching.Mismatch(message);
        mismatch.initCause(cause);
        return mismatch;
    }

    private static String shown(RuntimeException error) {
        return Matching.shown(Told.error(error)) + ": " + error;
    }

    private static void compare(Object says, Object came, Scope scope) {
        Matching.saved(says, came).forEach(scope::keep);
        Matching.match(says, came, scope);
    }

    private Map<String, Object> perform(String operation, Map<?, ?> step, Scope scope) throws InterruptedException {
        Map<?, ?> said = (Map<?, ?>) step.get(operation);
        String by = step.containsKey("by") ? Given.text(Braces.replaced(step.get("by"), scope)) : "main";
        if (operation.equals("append")) {
            return Operations.append(world.client(by), said, scope);
        }
        if (operation.equals("append_many")) {
            return Operations.appendMany(world.client(by), said, scope);
        }
        @SuppressWarnings("unchecked") // what was a map stays one
        Map<String, ?> arguments = (Map<String, ?>) Braces.replaced(said, scope);
        return switch (operation) {
            case "subscribe" -> {
                Mink client = world.client(by);
                world.subscribed(Given.text(arguments.get("as")), client.subscribeAll(Given.subscription(arguments)));
                yield Map.of();
            }
            case "client" -> {
                world.newClient(arguments.containsKey("as") ? Given.text(arguments.get("as")) : "main", arguments);
                yield Map.of();
            }
            case "write_file" -> {
                world.writeFile(Given.text(arguments.get("name")), Given.text(arguments.get("text")));
                yield Map.of();
            }
            case "pause" -> {
                Thread.sleep(Given.seconds(arguments.get("seconds")).toMillis());
                yield Map.of();
            }
            case "next" -> subscription(arguments).next((int) Given.number(arguments, "count"));
            case "caught_up" -> subscription(arguments).caughtUp();
            case "quiet" -> subscription(arguments).quiet(Given.seconds(arguments.get("for")));
            case "ended" -> subscription(arguments).ended();
            case "unsubscribe" -> {
                subscription(arguments).close();
                yield Map.of();
            }
            case "server", "database", "fault", "seen" -> world.control().ask(operation, arguments);
            default -> {
                Optional<Map<String, Object>> came = Operations.onClient(operation, world.client(by), arguments);
                yield came.orElseThrow(() -> new CaseException("there is no operation '" + operation + "'"));
            }
        };
    }

    private Followed subscription(Map<?, ?> arguments) {
        return world.subscription(Given.text(arguments.get("of")));
    }
}
