package dev.mink.client;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/** Compiles programs, and runs them with what somebody has who depends on the client: no OpenTelemetry, nothing of the tests. */
final class Programs {
    private static final List<String> OF_CLIENT =
            List.of("/target/classes", "/io/grpc/", "/com/google/", "/io/perfmark/", "/org/codehaus/mojo/");

    private Programs() {}

    private static String classPath() {
        String whole = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        return Arrays.stream(whole.split(File.pathSeparator))
                .filter(entry -> OF_CLIENT.stream()
                        .anyMatch(part -> entry.replace(File.separatorChar, '/').contains(part)))
                .filter(entry -> !entry.contains("opentelemetry"))
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Compiles a program into a folder; a warning is an error. */
    static void compile(Path source, Path folder) {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter said = new StringWriter();
        try (var files = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
            boolean good = compiler.getTask(
                            said,
                            files,
                            null,
                            List.of(
                                    "-d",
                                    folder.toString(),
                                    "-cp",
                                    classPath(),
                                    "--release",
                                    "17",
                                    "-Xlint:all,-classfile",
                                    "-Werror"),
                            null,
                            files.getJavaFileObjects(source))
                    .call();
            if (!good) {
                throw new AssertionError(said.toString());
            }
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    /** Runs a program; what it has written. */
    static String run(Path folder, String server, String name, String... args)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                folder + File.pathSeparator + classPath(),
                name));
        command.addAll(List.of(args));
        Path said = Files.createTempFile("mink-java-", ".out");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().put("MINK_SERVER", server);
        Process process = builder.start();
        try {
            if (!process.waitFor(60, TimeUnit.SECONDS)) {
                throw new AssertionError("it did not end: " + Files.readString(said));
            }
            String text = Files.readString(said);
            if (process.exitValue() != 0) {
                throw new AssertionError("it ended with " + process.exitValue() + ": " + text);
            }
            return text;
        } finally {
            process.destroyForcibly();
            Files.delete(said);
        }
    }
}
