package dev.mink.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/** Tokens: what can be one, and reading one from a file. No error shows a token. */
final class Tokens {
    private static final int LONGEST = 4096;

    private Tokens() {}

    /**
     * A token without the white space around it.
     *
     * @param token what was given
     * @param argument what the caller calls it
     * @param where where it came from, for the error
     * @throws CredentialsException if it cannot be a token
     */
    static String checked(String token, String argument, String where) {
        if (token == null) {
            throw new CredentialsException(argument, where + " is null");
        }
        String text = token.strip();
        if (text.isEmpty()) {
            throw new CredentialsException(argument, where + " is empty");
        }
        if (text.lines().count() > 1) {
            throw new CredentialsException(argument, where + " has more than one line; a token is one");
        }
        if (text.length() > LONGEST || text.chars().anyMatch(character -> character <= ' ' || character > '~')) {
            throw new CredentialsException(
                    argument, where + " is not " + LONGEST + " or fewer printable ASCII characters without spaces");
        }
        return text;
    }

    /**
     * A token that somebody's function fetches, in a thread of its own.
     *
     * @param fetch gives a checked token
     * @param timeout how long that may take
     * @throws CredentialsException if it cannot be fetched, or not in that time
     * @throws CallInterruptedException if this thread is interrupted
     */
    static String fetched(Supplier<String> fetch, Duration timeout) {
        var fetched = new FutureTask<>(fetch::get);
        Thread thread = new Thread(fetched, "mink-token");
        thread.setDaemon(true);
        thread.start();
        try {
            return fetched.get(Times.nanos(timeout), TimeUnit.NANOSECONDS);
        } catch (InterruptedException error) {
            fetched.cancel(true);
            throw Waiting.interrupted();
        } catch (TimeoutException error) {
            fetched.cancel(true);
            throw new CredentialsException("token", "was not fetched within " + Times.millis(timeout) + " ms");
        } catch (ExecutionException error) {
            if (error.getCause() instanceof CredentialsException known) {
                throw known;
            }
            // Its name alone: somebody else's message may have a secret in it. Whoever looks for the cause finds it.
            var wrong = new CredentialsException(
                    "token",
                    "could not be fetched: " + error.getCause().getClass().getName());
            wrong.initCause(error.getCause());
            throw wrong;
        }
    }

    /**
     * The token in a file.
     *
     * @throws CredentialsException if the file cannot be read, or holds no token
     */
    static String read(Path file) {
        try (InputStream opened = Files.newInputStream(file)) {
            byte[] data = opened.readNBytes(LONGEST * 2);
            return checked(new String(data, StandardCharsets.ISO_8859_1), "token_file", file.toString());
        } catch (IOException error) {
            throw PemFiles.unreadable("token_file", file, error);
        }
    }
}
