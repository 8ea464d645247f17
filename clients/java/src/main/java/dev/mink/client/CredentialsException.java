package dev.mink.client;

/** A certificate, a key, a token or a setting about them cannot be used. Thrown before anything is sent; says no secret. */
public final class CredentialsException extends MinkException {
    private static final long serialVersionUID = 1L;

    private final String argument;

    private final String problem;

    /**
     * Makes an exception.
     *
     * @param argument which one
     * @param problem what is wrong with it
     */
    public CredentialsException(String argument, String problem) {
        super("CREDENTIALS", argument + ": " + problem);
        this.argument = argument;
        this.problem = problem;
    }

    /**
     * Which one. The names are the same in all clients; here they are given by {@link MinkBuilder} and {@link Tls}.
     *
     * @return {@code tls} ({@link MinkBuilder#tls(boolean)}, {@code MINK_TLS}), {@code ca_file} ({@link Tls#trusting}), {@code cert_file} and
     *     {@code key_file} ({@link Tls#withClientCertificate}), {@code token} ({@link MinkBuilder#token(String)}), {@code token_file}
     *     ({@link MinkBuilder#tokenFile}) or {@code insecure_token} ({@link MinkBuilder#insecureToken})
     */
    public String argument() {
        return argument;
    }

    /**
     * What is wrong with it.
     *
     * @return a sentence, with the name of the file if it is a file
     */
    public String problem() {
        return problem;
    }
}
