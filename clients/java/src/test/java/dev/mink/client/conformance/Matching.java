package dev.mink.client.conformance;

import static dev.mink.client.conformance.Absent.ABSENT;

import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.regex.Pattern;

/** Whether what came is what a case says. */
final class Matching {
    private static final int LONGEST = 1000;

    private Matching() {}

    /** What came is not what the case says: where, what it says and what came. */
    static final class Mismatch extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Mismatch(String message) {
            super(message);
        }
    }

    /** What {@code $save} keeps, by name. What is not there is not kept, and will not match either. */
    static Map<String, Object> saved(Object says, Object came) {
        Map<String, Object> kept = new LinkedHashMap<>();
        save(says, came, kept);
        return kept;
    }

    private static void save(Object says, Object came, Map<String, Object> kept) {
        if (says instanceof List<?> list && came instanceof List<?> entries) {
            for (int at = 0; at < Math.min(list.size(), entries.size()); at++) {
                save(list.get(at), entries.get(at), kept);
            }
        } else if (says instanceof Map<?, ?> map) {
            map.forEach((key, expected) -> {
                if (!key.equals("$save")) {
                    save(expected, part(key.toString(), came), kept);
                } else if (came != ABSENT) {
                    kept.put(expected.toString(), came);
                }
            });
        }
    }

    /** What of it a key of a case is about. */
    private static Object part(String key, Object came) {
        if (key.equals("$first") || key.equals("$last")) {
            return came instanceof List<?> list && !list.isEmpty()
                    ? list.get(key.equals("$first") ? 0 : list.size() - 1)
                    : ABSENT;
        }
        return key.startsWith("$") ? ABSENT : entry(came, key);
    }

    private static Object entry(Object came, String key) {
        return came instanceof Map<?, ?> map && map.containsKey(key) ? map.get(key) : ABSENT;
    }

    /**
     * Compares; what the case says may hold words in braces, which are replaced here.
     *
     * @throws Mismatch if it does not match
     * @throws CaseException if a word in braces cannot be replaced
     */
    static void match(Object says, Object came, Function<String, Object> known) {
        match(Braces.replaced(says, known), came, "");
    }

    private static void match(Object says, Object came, String where) {
        if (!holds(says, came, where)) {
            throw new Mismatch(
                    (where.isEmpty() ? "it" : where) + ": expected " + shown(says) + ", came " + shown(came));
        }
    }

    private static boolean matches(Object says, Object came) {
        try {
            match(says, came, "");
            return true;
        } catch (Mismatch error) {
            return false;
        }
    }

    /** Whether it matches; a mismatch in a part of it is thrown, with the part's name. */
    private static boolean holds(Object says, Object came, String where) {
        if (says instanceof Map<?, ?> map) {
            if (map.keySet().stream().anyMatch(key -> key.toString().startsWith("$"))) {
                return map.entrySet().stream()
                        .allMatch(each -> operator(each.getKey().toString(), each.getValue(), came, where));
            }
            if (came instanceof Map<?, ?>) {
                map.forEach((key, expected) -> match(
                        expected, entry(came, key.toString()), where.isEmpty() ? key.toString() : where + "." + key));
                return true;
            }
            return false;
        }
        if (says instanceof List<?> list) {
            if (!(came instanceof List<?> entries) || entries.size() != list.size()) {
                return false;
            }
            for (int at = 0; at < list.size(); at++) {
                match(list.get(at), entries.get(at), where + "[" + at + "]");
            }
            return true;
        }
        return equal(says, came);
    }

    private static boolean equal(Object says, Object came) {
        if (says instanceof Number && came instanceof Number) {
            return Numbers.of(says).compareTo(Numbers.of(came)) == 0;
        }
        return Objects.equals(says, came);
    }

    private static boolean operator(String name, Object argument, Object came, String where) {
        return switch (name) {
            case "$save" -> came != ABSENT;
            case "$any" -> came != ABSENT && came != null;
            case "$absent" -> came == ABSENT || came == null;
            case "$above" -> compared(argument, came, (order, zero) -> order > zero);
            case "$at_least" -> compared(argument, came, (order, zero) -> order >= zero);
            case "$below" -> compared(argument, came, (order, zero) -> order < zero);
            case "$contains" ->
                came instanceof String text
                        ? argument instanceof String piece && text.contains(piece)
                        : came instanceof List<?> list && list.stream().anyMatch(each -> matches(argument, each));
            case "$matches" -> came instanceof String text && Pattern.matches(argument.toString(), text);
            case "$length" -> length(came) >= 0 && matches(argument, length(came));
            case "$first", "$last" -> end(name, argument, came, where);
            case "$each" -> each(argument, came, where);
            case "$ascending" -> steps(argument, came, where, (one, two) -> two.compareTo(one) > 0);
            case "$descending" -> steps(argument, came, where, (one, two) -> two.compareTo(one) < 0);
            case "$consecutive" ->
                steps(argument, came, where, (one, two) -> two.compareTo(one.add(BigDecimal.ONE)) == 0);
            case "$not" -> came != ABSENT && !matches(argument, came);
            default -> throw new CaseException(name + " is none of the words that can be matched with");
        };
    }

    private static boolean compared(Object bound, Object came, BiPredicate<Integer, Integer> holds) {
        return bound instanceof Number
                && came instanceof Number
                && holds.test(Numbers.of(came).compareTo(Numbers.of(bound)), 0);
    }

    private static int length(Object came) {
        if (came instanceof String text) {
            return text.codePointCount(0, text.length());
        }
        return came instanceof List<?> list ? list.size() : came instanceof Map<?, ?> map ? map.size() : -1;
    }

    private static boolean end(String which, Object says, Object came, String where) {
        if (!(came instanceof List<?> list) || list.isEmpty()) {
            return false;
        }
        int at = which.equals("$first") ? 0 : list.size() - 1;
        match(says, list.get(at), where + "[" + at + "]");
        return true;
    }

    private static boolean each(Object says, Object came, String where) {
        if (!(came instanceof List<?> list)) {
            return false;
        }
        for (int at = 0; at < list.size(); at++) {
            match(says, list.get(at), where + "[" + at + "]"); // so that the error says which
        }
        return true;
    }

    private static boolean steps(Object field, Object came, String where, BiPredicate<BigDecimal, BigDecimal> holds) {
        if (!(came instanceof List<?> list)) {
            return false;
        }
        BigDecimal before = null;
        for (int at = 0; at < list.size(); at++) {
            if (!(entry(list.get(at), field.toString()) instanceof Number number)) {
                return false;
            }
            BigDecimal now = Numbers.of(number);
            if (before != null && !holds.test(before, now)) {
                throw new Mismatch(where + "[" + at + "]." + field + ": came " + now + " after " + before);
            }
            before = now;
        }
        return true;
    }

    static String shown(Object value) {
        String text = value == ABSENT ? "nothing" : Json.write(value);
        return text.length() <= LONGEST ? text : text.substring(0, LONGEST) + "… (" + text.length() + " characters)";
    }
}
