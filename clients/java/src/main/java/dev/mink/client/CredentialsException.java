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
     * Which one.
     *
     * @return {@code tls}, {@code ca_file}, {@code cert_file}, {@code key_file}, {@code token}, {@code token_file} or {@code insecure_token}
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
