package dev.mink.client.conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** Files of cases: maps, lists, texts, numbers, true, false and null. */
final class Yaml {
    private Yaml() {}

    static Object read(Path file) throws IOException {
        LoadSettings settings =
                LoadSettings.builder().setCodePointLimit(Integer.MAX_VALUE).build();
        return new Load(settings).loadFromString(Files.readString(file));
    }
}
