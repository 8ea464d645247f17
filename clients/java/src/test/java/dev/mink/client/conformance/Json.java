package dev.mink.client.conformance;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;

/** JSON, in which the harness speaks. */
final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Json() {}

    static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException error) {
            return String.valueOf(value);
        }
    }

    @SuppressWarnings("unchecked") // a JSON object is nothing else
    static Map<String, Object> read(String text) {
        try {
            return MAPPER.readValue(text, Map.class);
        } catch (JsonProcessingException error) {
            throw new CaseException("no JSON object: " + error.getOriginalMessage());
        }
    }
}
