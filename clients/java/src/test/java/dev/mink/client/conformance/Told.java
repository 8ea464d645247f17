package dev.mink.client.conformance;

import dev.mink.client.*;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the client gives back, in the words of the cases. */
final class Told {
    private static final Duration RECENT = Duration.ofMinutes(10);

    private Told() {}

    static List<Object> events(List<RecordedEvent> found) {
        return new ArrayList<>(found.stream().map(Told::event).toList());
    }

    static Map<String, Object> event(RecordedEvent found) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("position", found.position());
        said.put("version", found.version());
        said.put("id", found.id());
        said.put("stream", found.stream());
        said.put("category", found.category());
        said.put("type", found.type());
        said.put("metadata", found.metadata());
        said.put("size", found.size());
        said.put("recent", isRecent(found.recordedAt()));
        if (found.isJson()) {
            said.put("json", found.json());
        } else {
            said.put("binary", Base64.getEncoder().encodeToString(found.data()));
        }
        return said;
    }

    static Map<String, Object> snapshot(Snapshot found) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("stream", found.stream());
        said.put("version", found.version());
        said.put("metadata", found.metadata());
        said.put("recent", isRecent(found.savedAt()));
        if (found.isJson()) {
            said.put("json", found.json());
        } else {
            said.put("binary", Base64.getEncoder().encodeToString(found.data()));
        }
        return said;
    }

    static Map<String, Object> stream(StreamInfo found) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("stream", found.stream());
        said.put("category", found.category());
        said.put("version", found.version());
        said.put("first_version", found.firstVersion());
        said.put("events", found.events());
        said.put("last_position", found.lastPosition());
        said.put("snapshot_version", found.snapshotVersion());
        said.put("deleted", found.deleted());
        said.put("tombstoned", found.tombstoned());
        return said;
    }

    static Map<String, Object> appended(AppendResult found) {
        return Map.of(
                "version", found.version(),
                "first_position", found.firstPosition(),
                "last_position", found.lastPosition(),
                "replayed", found.replayed());
    }

    static Map<String, Object> appendedMany(AppendManyResult found) {
        return Map.of(
                "streams",
                found.streams().stream()
                        .map(part -> Map.of(
                                "stream", part.stream(),
                                "version", part.version(),
                                "first_position", part.firstPosition(),
                                "last_position", part.lastPosition()))
                        .toList(),
                "first_position",
                found.firstPosition(),
                "last_position",
                found.lastPosition(),
                "replayed",
                found.replayed());
    }

    static Map<String, Object> removed(Removed found) {
        return Map.of("removed", found.removed(), "version", found.version());
    }

    /** What went wrong. */
    static Map<String, Object> error(RuntimeException found) {
        Map<String, Object> said = new LinkedHashMap<>();
        if (!(found instanceof MinkException error)) {
            boolean argument = found instanceof IllegalArgumentException || found instanceof NullPointerException;
            // Anything else is a bug: no case names it.
            said.put("type", argument ? "ArgumentError" : found.getClass().getName());
            said.put("also", List.of());
            return said;
        }
        said.put("type", name(error.getClass()));
        List<String> also = new ArrayList<>();
        for (Class<?> kind = error.getClass().getSuperclass();
                kind != MinkException.class;
                kind = kind.getSuperclass()) {
            if (error.getClass() == MinkException.class) {
                break;
            }
            also.add(name(kind));
        }
        said.put("also", also);
        said.put("reason", error.reason());
        data(error, said);
        return said;
    }

    /** The name in the table of clients/README.md. */
    private static String name(Class<?> kind) {
        String name = kind.getSimpleName().replaceFirst("Exception$", "");
        return switch (name) {
            case "Mink", "Internal", "Credentials" -> name + "Error";
            default -> name;
        };
    }

    private static void data(MinkException error, Map<String, Object> said) {
        if (error instanceof WrongExpectedVersionException wrong) {
            said.put("stream", wrong.stream());
            said.put("expected", expected(wrong.expected()));
            said.put("actual", wrong.actual());
            said.put(
                    "violations",
                    wrong.violations().stream()
                            .map(part -> Map.of(
                                    "stream",
                                    part.stream(),
                                    "expected",
                                    expected(part.expected()),
                                    "actual",
                                    part.actual()))
                            .toList());
        } else if (error instanceof EventIdConflictException conflict) {
            said.put("event_id", conflict.eventId());
        } else if (error instanceof StreamNotFoundException missing) {
            said.put("stream", missing.stream());
        } else if (error instanceof SnapshotNotFoundException missing) {
            said.put("stream", missing.stream());
        } else if (error instanceof InvalidRequestException invalid) {
            said.put(
                    "fields",
                    invalid.violations().stream()
                            .map(each -> each.field())
                            .sorted()
                            .toList());
        } else if (error instanceof PositionAheadException ahead) {
            said.put("position", ahead.position());
            said.put("head", ahead.head());
            said.put("log_id", ahead.logId());
        } else if (error instanceof EventTooLargeException large) {
            said.put("size", large.size());
            said.put("limit", large.limit());
        } else if (error instanceof RequestTooLargeException large) {
            said.put("size", large.size());
            said.put("limit", large.limit());
        } else if (error instanceof UnauthenticatedException access) {
            access.role().ifPresent(role -> said.put("role", role));
            access.stream().ifPresent(stream -> said.put("stream", stream));
        } else if (error instanceof PermissionDeniedException access) {
            access.role().ifPresent(role -> said.put("role", role));
            access.stream().ifPresent(stream -> said.put("stream", stream));
        } else if (error instanceof UnavailableException unavailable) {
            unavailable.retryAfter().ifPresent(time -> said.put("retry_after", time.toNanos() / 1e9));
        } else if (error instanceof OverloadedException overloaded) {
            overloaded.retryAfter().ifPresent(time -> said.put("retry_after", time.toNanos() / 1e9));
        } else if (error instanceof CredentialsException credentials) {
            said.put("argument", credentials.argument());
        }
    }

    private static Object expected(Expected expected) {
        return expected.exactVersion().isPresent()
                ? (Object) expected.exactVersion().getAsLong()
                : expected.toString();
    }

    private static boolean isRecent(Instant moment) {
        return Duration.between(moment, Instant.now()).abs().compareTo(RECENT) < 0;
    }
}
