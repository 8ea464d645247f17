package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the page prints is what happens. */
@Timeout(120)
class ReadmeTest {
    private static final Pattern PROGRAM = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern OUTPUT = Pattern.compile("```text\n(.*?)```", Pattern.DOTALL);

    @TempDir
    Path folder;

    /** Only the address is another one, and the name of the stream: other tests may have used it. */
    @Test
    void theFirstExampleRunsAsPrintedWithoutOpenTelemetry() throws Exception {
        String page = Files.readString(Path.of("README.md"));
        Matcher program = PROGRAM.matcher(page);
        assertTrue(program.find());
        Matcher output = OUTPUT.matcher(page);
        assertTrue(output.find(program.end()));
        String category = "Readme" + Uuid7.next().replace("-", "");
        String text = program.group(1)
                .replace("localhost:50051", RealServer.address())
                .replace("Order", category);
        Path source = Files.writeString(folder.resolve("FirstMinute.java"), text);
        Programs.compile(source, folder);
        String printed = Programs.run(folder, RealServer.address(), "FirstMinute");
        assertEquals(
                output.group(1).lines().toList(),
                printed.replace(category, "Order")
                        .replaceAll("position \\d+", "position 1")
                        .lines()
                        .toList());
    }

    @Test
    void theOtherExamplesCompile() throws Exception {
        String page = Files.readString(Path.of("README.md"));
        List<String> snippets = PROGRAM.matcher(page)
                .results()
                .skip(1)
                .map(found -> found.group(1))
                .toList();
        assertTrue(snippets.size() >= 4, "only " + snippets.size());
        StringBuilder all = new StringBuilder(
                """
                import dev.mink.client.*;
                import java.nio.file.Path;
                import java.time.Duration;
                import java.util.concurrent.*;
                abstract class Snippets {
                    abstract void handle(Object events);
                    abstract void save(long position, String logId);
                """);
        for (int number = 0; number < snippets.size(); number++) {
            if (!snippets.get(number).contains("OpenTelemetry")) {
                all.append("void snippet" + number + "(Mink mink, long position, String logId) throws Exception {\n"
                        + snippets.get(number) + "}\n");
            }
        }
        Programs.compile(Files.writeString(folder.resolve("Snippets.java"), all.append("}\n")), folder);
    }

    @Test
    void theExampleKeepsBalancesHoweverOftenItIsStopped() throws Exception {
        Programs.compile(Path.of("example/Accounts.java"), folder);
        String name = "test" + Uuid7.next().replace("-", "");
        Path balances = folder.resolve("balances");
        assertEquals("100\n", run("deposit", name, "100"));
        run("follow", balances.toString(), "--once");
        assertEquals(name + " 100", line(balances, name));
        assertEquals("70\n", run("withdraw", name, "30"));
        assertEquals("70\n", run("balance", name));
        assertThrows(AssertionError.class, () -> run("withdraw", name, "71"));
        run("follow", balances.toString(), "--once");
        run("follow", balances.toString(), "--once");
        assertEquals(name + " 70", line(balances, name));
    }

    private static String line(Path file, String name) throws Exception {
        return Files.readAllLines(file).stream()
                .filter(each -> each.startsWith(name))
                .findFirst()
                .orElseThrow();
    }

    private String run(String... args) throws Exception {
        return Programs.run(folder, RealServer.address(), "Accounts", args);
    }
}
