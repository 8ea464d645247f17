package dev.mink.client;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.Supplier;

/** What a program says, and what the environment says where it does not. */
final class Settings {
    static final String DEFAULT_SERVER = "localhost:50051";
    private static final int LONGEST_SWITCH = 20;

    private Settings() {}

    /** The address; {@code MINK_SERVER} if none is given. */
    static Address address(String given, Function<String, String> environment) {
        if (given != null && !given.isEmpty()) {
            return Address.of(given, "address");
        }
        String said = text(environment, "MINK_SERVER");
        return Address.of(said == null ? DEFAULT_SERVER : said, "MINK_SERVER");
    }

    /**
     * Whether and how to speak TLS.
     *
     * @param given how; null: nothing is said
     * @param wanted whether; null: nothing is said
     * @return null: not at all
     */
    static Tls tls(Tls given, Boolean wanted, Function<String, String> environment) {
        if (given != null) {
            return given;
        }
        Boolean on = wanted == null ? onOrOff(environment) : wanted;
        if (Boolean.FALSE.equals(on)) {
            return null;
        }
        Tls tls = Tls.of(
                path("ca_file", "MINK_CA_FILE", environment),
                path("cert_file", "MINK_CLIENT_CERT_FILE", environment),
                path("key_file", "MINK_CLIENT_KEY_FILE", environment));
        return Boolean.TRUE.equals(on) || !tls.files().isEmpty() ? tls : null;
    }

    private static Boolean onOrOff(Function<String, String> environment) {
        String said = text(environment, "MINK_TLS");
        String word = said == null ? "" : said.strip().toLowerCase(Locale.ROOT);
        return switch (word) {
            case "" -> null;
            case "true", "1", "yes", "on" -> true;
            case "false", "0", "no", "off" -> false;
            // What is longer may be a key or a token.
            default ->
                throw new CredentialsException(
                        "tls",
                        "MINK_TLS: true or false, "
                                + (word.length() <= LONGEST_SWITCH ? "not '" + word + "'" : "and nothing else"));
        };
    }

    /** The credentials of a client, out of what was given and the environment; checked. Fetching a token may take the timeout. */
    static Credentials credentials(
            Address address,
            Tls tls,
            String token,
            Supplier<String> fetch,
            Path tokenFile,
            boolean insecureToken,
            Function<String, String> environment,
            Duration timeout) {
        String text = token;
        Path file = tokenFile;
        if ((token != null || fetch != null) && file != null) {
            throw new CredentialsException("token_file", "goes without token: one of the two");
        }
        if (text == null && fetch == null && file == null) {
            text = text(environment, "MINK_TOKEN");
            file = path("token_file", "MINK_TOKEN_FILE", environment);
            if (text != null && file != null) {
                throw new CredentialsException(
                        "token_file", "MINK_TOKEN and MINK_TOKEN_FILE are both set: one of the two");
            }
        }
        if (file != null) {
            Secrets.checkPath("token_file", file.toString());
        }
        boolean any = text != null || fetch != null || file != null;
        if (any && tls == null && !insecureToken && !address.isLoopback()) {
            throw new CredentialsException(
                    "insecure_token",
                    "the token would go to " + address
                            + " in clear: turn TLS on; or allow it, if something else encrypts the way");
        }
        return new Credentials(tls, text, fetch, file, timeout);
    }

    private static Path path(String argument, String variable, Function<String, String> environment) {
        String said = text(environment, variable);
        if (said == null) {
            return null;
        }
        Secrets.checkPath(argument, said);
        return Path.of(said);
    }

    private static String text(Function<String, String> environment, String variable) {
        String said = environment.apply(variable);
        return said == null || said.isEmpty() ? null : said;
    }
}
