package dev.mink.client.conformance;

import dev.mink.client.*;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the cases give to the client: events, expectations, options. */
final class Given {
    private Given() {}

    /** A text, also where a word in braces has become a number. */
    static String text(Object value) {
        return Braces.asText(value);
    }

    static long number(Map<?, ?> arguments, String name) {
        return arguments.get(name) instanceof Number number ? number.longValue() : 0;
    }

    static boolean isTrue(Map<?, ?> arguments, String name) {
        return Boolean.TRUE.equals(arguments.get(name));
    }

    static Duration seconds(Object said) {
        return Duration.ofNanos((long) (((Number) said).doubleValue() * 1e9));
    }

    static Map<String, String> metadata(Object said) {
        Map<String, String> all = new LinkedHashMap<>();
        if (said instanceof Map<?, ?> map) {
            map.forEach((key, value) -> all.put(key.toString(), text(value)));
        }
        return all;
    }

    static Expected expected(Object said) {
        if (said instanceof Number number) {
            return Expected.version(number.longValue());
        }
        return switch (said.toString()) {
            case "ANY" -> Expected.ANY;
            case "NO_STREAM" -> Expected.NO_STREAM;
            case "STREAM_EXISTS" -> Expected.STREAM_EXISTS;
            default -> throw new CaseException("no expectation: " + said);
        };
    }

    /** Events as they stand in the case, before words in braces are replaced: a kind of which there are many has one each. */
    static List<NewEvent> events(Object said, Scope scope) {
        List<NewEvent> events = new ArrayList<>();
        if (said instanceof List<?> list) {
            list.forEach(one -> events.add(event((Map<?, ?>) Braces.replaced(one, scope))));
        } else if (said instanceof Map<?, ?> many) {
            int count = ((Number) Braces.replaced(many.get("count"), scope)).intValue();
            for (int number = 1; number <= count; number++) {
                events.add(event((Map<?, ?>) Braces.replaced(said, new Scope(scope, number))));
            }
        }
        return events;
    }

    private static NewEvent event(Map<?, ?> said) {
        String type = text(said.get("type"));
        NewEvent event;
        if (said.containsKey("binary")) {
            event = NewEvent.binary(type, Base64.getDecoder().decode(text(said.get("binary"))));
        } else if (said.containsKey("binary_size")) {
            event = NewEvent.binary(type, new byte[(int) number(said, "binary_size")]);
        } else if (said.containsKey("json_size")) {
            event = NewEvent.json(type, "\"" + "x".repeat((int) number(said, "json_size") - 2) + "\"");
        } else {
            event = NewEvent.json(type, text(said.get("json")));
        }
        if (said.containsKey("id")) {
            event = event.withId(text(said.get("id")));
        }
        return said.containsKey("metadata") ? event.withMetadata(metadata(said.get("metadata"))) : event;
    }

    static List<StreamAppend> parts(List<?> said, Scope scope) {
        return said.stream()
                .map(part -> (Map<?, ?>) part)
                .map(part -> new StreamAppend(
                        text(Braces.replaced(part.get("stream"), scope)),
                        expected(Braces.replaced(part.get("expected"), scope)),
                        events(part.get("events"), scope)))
                .toList();
    }

    static EventFilter filter(Map<?, ?> arguments) {
        return EventFilter.ALL
                .streams(texts(arguments, "streams"))
                .streamPrefixes(texts(arguments, "stream_prefixes"))
                .categories(texts(arguments, "categories"))
                .types(texts(arguments, "types"));
    }

    private static String[] texts(Map<?, ?> arguments, String name) {
        return arguments.get(name) instanceof List<?> list
                ? list.stream().map(Given::text).toArray(String[]::new)
                : new String[0];
    }

    static SubscribeOptions subscription(Map<?, ?> arguments) {
        SubscribeOptions options = isTrue(arguments, "from_end")
                ? SubscribeOptions.atEnd()
                : SubscribeOptions.after(number(arguments, "after"));
        options = options.filter(filter(arguments));
        if (arguments.containsKey("log_id")) {
            options = options.logId(text(arguments.get("log_id")));
        }
        return arguments.containsKey("silence_timeout")
                ? options.silenceTimeout(seconds(arguments.get("silence_timeout")))
                : options;
    }

    /** A client, as the step {@code client} says; it goes to an address if it does not say one. */
    static Mink client(Map<?, ?> options, String address) {
        MinkBuilder builder =
                Mink.builder().address(options.containsKey("address") ? text(options.get("address")) : address);
        if (options.containsKey("timeout")) {
            builder.timeout(seconds(options.get("timeout")));
        }
        if (options.containsKey("token")) {
            builder.token(text(options.get("token")));
        }
        if (options.containsKey("token_file")) {
            builder.tokenFile(Path.of(text(options.get("token_file"))));
        }
        if (options.containsKey("insecure_token")) {
            builder.insecureToken(isTrue(options, "insecure_token"));
        }
        if (options.get("tls") instanceof Boolean wanted) {
            builder.tls(wanted);
        } else if (options.get("tls") instanceof Map<?, ?> files) {
            builder.tls(tls(files));
        }
        return builder.build();
    }

    private static Tls tls(Map<?, ?> said) {
        Tls tls = said.containsKey("ca_file") ? Tls.trusting(path(said, "ca_file")) : Tls.systemTrust();
        if (said.containsKey("cert_file") || said.containsKey("key_file")) {
            tls = tls.withClientCertificate(path(said, "cert_file"), path(said, "key_file"));
        }
        return said.containsKey("server_name") ? tls.withServerName(text(said.get("server_name"))) : tls;
    }

    private static Path path(Map<?, ?> said, String name) {
        return said.containsKey(name) ? Path.of(text(said.get(name))) : null;
    }
}
