package dev.mink.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

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
