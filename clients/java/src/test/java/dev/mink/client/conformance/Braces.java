package dev.mink.client.conformance;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Words in braces: what <code>${…}</code> in a case becomes. */
final class Braces {
    private static final Pattern WORD =
            Pattern.compile("\\$\\{([A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_.-]+)?)(?: ([+-]) ([0-9]+))?\\}");
    private static final Pattern ANY = Pattern.compile("\\$\\$\\{|\\$\\{[^}]*\\}?");

    private Braces() {}

    /**
     * A value of a case in which all words are replaced, also in what it holds; keys are not.
     *
     * @throws CaseException if a word cannot be replaced
     */
    static Object replaced(Object value, Function<String, Object> known) {
        if (value instanceof String text) {
            return text(text, known);
        }
        if (value instanceof List<?> list) {
            List<Object> all = new ArrayList<>();
            list.forEach(entry -> all.add(replaced(entry, known)));
            return all;
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> all = new LinkedHashMap<>();
            map.forEach((key, entry) -> all.put(key, replaced(entry, known)));
            return all;
        }
        return value;
    }

    /** How a value stands in a text. */
    static String asText(Object value) {
        if (value instanceof String || value instanceof Number || value instanceof Boolean) {
            return value.toString();
        }
        throw new CaseException("only a text, a number or true and false can stand in a text, not " + value);
    }

    private static Object text(String text, Function<String, Object> known) {
        Matcher whole = WORD.matcher(text);
        if (whole.matches()) {
            return value(whole, known);
        }
        return ANY.matcher(text)
                .replaceAll(found ->
                        Matcher.quoteReplacement(found.group().equals("$${") ? "${" : inText(found.group(), known)));
    }

    private static String inText(String word, Function<String, Object> known) {
        Matcher found = WORD.matcher(word);
        if (!found.matches()) {
            throw new CaseException(word + " is none of the words in braces that there are");
        }
        return asText(value(found, known));
    }

    private static Object value(Matcher word, Function<String, Object> known) {
        Object value = known.apply(word.group(1));
        if (word.group(2) == null) {
            return value;
        }
        if (!Numbers.isWhole(value)) {
            throw new CaseException(word.group() + ": " + word.group(1) + " is no whole number, but " + value);
        }
        BigInteger number = new BigInteger(value.toString());
        BigInteger other = new BigInteger(word.group(3));
        return Numbers.whole(word.group(2).equals("+") ? number.add(other) : number.subtract(other));
    }
}
