package dev.mink.client;

import java.util.regex.Pattern;

/** Secrets, told from what may be shown. */
final class Secrets {
    private static final int LONGEST_PATH = 1000;
    private static final Pattern TOKEN = Pattern.compile("mink_[0-9a-f]{12}_");
    private static final Pattern SECRET =
            Pattern.compile("(mink_[0-9a-f]{12}_)[0-9A-Za-z]+|-----BEGIN.*?(?:-----END[^-]*-----|$)", Pattern.DOTALL);

    private Secrets() {}

    /**
     * Checks that what should be the path of a file is not its content.
     *
     * @param argument what the caller calls it. Example: {@code token_file}
     * @param path what was given
     * @throws CredentialsException if it is no path; what was given is not in it
     */
    static void checkPath(String argument, String path) {
        if (path.isEmpty()) {
            throw new CredentialsException(argument, "the path of a file, not empty text");
        }
        boolean content = path.length() > LONGEST_PATH
                || path.chars().anyMatch(character -> character == '\r' || character == '\n' || character == 0)
                || path.contains("-----BEGIN")
                || TOKEN.matcher(path).find();
        if (content) {
            throw new CredentialsException(argument, "holds the content, not the path of a file");
        }
    }

    /** Text in which tokens of Mink and what is in PEM form are left out. */
    static String without(String text) {
        return SECRET.matcher(text).replaceAll(found -> (found.group(1) == null ? "-----BEGIN" : found.group(1)) + "…");
    }
}
