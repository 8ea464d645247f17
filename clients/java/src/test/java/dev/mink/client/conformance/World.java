package dev.mink.client.conformance;

import dev.mink.client.Mink;
import dev.mink.client.Subscription;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** What a case has: its clients, subscriptions and files. At its end all of it is closed. */
final class World implements AutoCloseable {
    private final Control control;
    private final Scope scope;
    private final Map<?, ?> options;
    private final Map<String, Mink> clients = new ConcurrentHashMap<>();
    private final Map<String, Followed> subscriptions = new ConcurrentHashMap<>();
    private final List<AutoCloseable> open = new ArrayList<>();
    private Path folder;

    /**
     * Makes one.
     *
     * @param options the options of the client {@code main}, as the case says them
     */
    World(Control control, Scope scope, Map<?, ?> options) {
        this.control = control;
        this.scope = scope;
        this.options = options;
    }

    Control control() {
        return control;
    }

    /** Makes a client. One that has the name already stays open until the case's end. */
    synchronized void newClient(String name, Map<?, ?> said) {
        Mink client = Given.client(said, scope.apply("address").toString());
        open.add(client);
        clients.put(name, client);
    }

    /** A client; {@code main} is made when it is used first. */
    synchronized Mink client(String name) {
        if (name.equals("main") && !clients.containsKey(name)) {
            newClient(name, (Map<?, ?>) Braces.replaced(options, scope));
        }
        Mink client = clients.get(name);
        if (client == null) {
            throw new CaseException("the case has made no client '" + name + "'");
        }
        return client;
    }

    synchronized void subscribed(String name, Subscription subscription) {
        open.add(subscription);
        subscriptions.put(name, new Followed(subscription));
    }

    Followed subscription(String name) {
        Followed found = subscriptions.get(name);
        if (found == null) {
            throw new CaseException("the case has made no subscription '" + name + "'");
        }
        return found;
    }

    /** Writes a file, whose path is then known as {@code file:name}. */
    synchronized void writeFile(String name, String text) {
        try {
            if (folder == null) {
                folder = Files.createTempDirectory("mink-case-");
            }
            Path path = Files.writeString(folder.resolve(name), text);
            scope.keepForAll("file:" + name, path.toString());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public synchronized void close() throws IOException {
        for (int at = open.size() - 1; at >= 0; at--) {
            try {
                open.get(at).close();
            } catch (Exception error) {
                throw new IllegalStateException("closing must not fail", error);
            }
        }
        if (folder != null) {
            try (var files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(folder);
        }
    }
}
