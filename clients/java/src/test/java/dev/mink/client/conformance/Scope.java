package dev.mink.client.conformance;

import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** What the names in braces stand for, within one case, or in one of several lists of its steps that run at the same time. */
final class Scope implements Function<String, Object> {
    /** Stands for null, which the map does not take. */
    private static final Object NULL = new Object();

    private final Scope outer;
    private final Integer number;
    private final Map<String, Object> names = new ConcurrentHashMap<>();

    /**
     * Makes a scope.
     *
     * @param outer the scope around it, whose names count here too; null: none
     * @param number what {@code i} is; null: what it is in the scope around
     */
    Scope(Scope outer, Integer number) {
        this.outer = outer;
        this.number = number;
    }

    /** The scope of a case, with what the harness has told of its server. */
    static Scope ofCase(Map<String, Object> told) {
        Scope scope = new Scope(null, null);
        scope.keep("case", UUID.randomUUID().toString().replace("-", "").substring(0, 10));
        told.forEach((name, value) -> {
            if (name.equals("tokens")) {
                ((Map<?, ?>) value).forEach((who, token) -> scope.keep("token:" + who, token));
            } else {
                scope.keep(name, value);
            }
        });
        return scope;
    }

    void keep(String name, Object value) {
        names.put(name, value == null ? NULL : value);
    }

    /** Keeps something for the whole case. */
    void keepForAll(String name, Object value) {
        if (outer == null) {
            keep(name, value);
        } else {
            outer.keepForAll(name, value);
        }
    }

    /** Gives what was kept here to the scope around. */
    void giveOut() {
        outer.names.putAll(names);
    }

    @Override
    public Object apply(String name) {
        if (name.equals("i") && number != null) {
            return number;
        }
        Object value = names.get(name);
        if (value != null) {
            return value == NULL ? null : value;
        }
        if (outer != null) {
            return outer.apply(name);
        }
        if (name.startsWith("uuid:")) {
            return names.computeIfAbsent(name, unknown -> UUID.randomUUID().toString());
        }
        throw new CaseException("nothing is known by the name '" + name + "'");
    }
}
