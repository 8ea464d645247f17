package dev.mink.client.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** What matches, and what words in braces become: as the data that all runners share says. */
class MatchingTest {
    private static final Path CONFORMANCE = Path.of("../conformance");

    private static List<?> vectors(String file) throws IOException {
        return (List<?>) Yaml.read(CONFORMANCE.resolve(file));
    }

    @TestFactory
    Stream<DynamicTest> whatMatchesIsWhatTheDataSays() throws IOException {
        return vectors("matching.yaml").stream()
                .map(each -> (Map<?, ?>) each)
                .map(vector -> DynamicTest.dynamicTest(vector.toString(), () -> matches(vector)));
    }

    private static void matches(Map<?, ?> vector) {
        Map<String, Object> kept = Matching.saved(vector.get("says"), vector.get("came"));
        Scope scope = new Scope(null, null);
        kept.forEach(scope::keep);
        boolean matched = true;
        try {
            Matching.match(vector.get("says"), vector.get("came"), scope);
        } catch (Matching.Mismatch mismatch) {
            matched = false;
        }
        assertEquals(vector.get("matches"), matched);
        if (matched) {
            Object saves = vector.containsKey("saves") ? vector.get("saves") : Map.of();
            assertEquals(Json.write(saves), Json.write(new LinkedHashMap<>(kept)));
        }
    }

    @TestFactory
    Stream<DynamicTest> wordsInBracesBecomeWhatTheDataSays() throws IOException {
        return vectors("braces.yaml").stream()
                .map(each -> (Map<?, ?>) each)
                .map(vector -> DynamicTest.dynamicTest(vector.toString(), () -> becomes(vector)));
    }

    private static void becomes(Map<?, ?> vector) {
        Scope scope = new Scope(null, null);
        ((Map<?, ?>) vector.get("with")).forEach((name, value) -> scope.keep(name.toString(), value));
        if (Boolean.TRUE.equals(vector.get("wrong"))) {
            assertThrows(CaseException.class, () -> Braces.replaced(vector.get("value"), scope));
        } else {
            assertEquals(Json.write(vector.get("becomes")), Json.write(Braces.replaced(vector.get("value"), scope)));
        }
    }

    @Test
    void theDataIsThere() throws IOException {
        assertTrue(
                vectors("matching.yaml").size() > 100 && vectors("braces.yaml").size() > 20);
    }
}
