package dev.mink.client;

import io.grpc.Status;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.Locale;
import javax.net.ssl.SSLException;

/**
 * What a person should look at when there is a server, and no connection with it; mostly for TLS.
 *
 * <p>gRPC has no codes for these. Nothing but the sentence that is shown depends on what is found here.
 */
final class Advice {
    private static final String NO_TLS =
            "the server does not speak TLS: look at its settings and at the port, or turn TLS off here";
    private static final String EXPIRED =
            "the server's certificate has expired: renew it; or the clock of this machine is wrong";
    private static final String TOO_NEW =
            "the server's certificate is not valid yet: look at the dates that stand in it, and at the clock"
                    + " of this machine";
    private static final String OTHER_NAME =
            "the server's certificate is for another name: use one that stands in it, or Tls.withServerName";
    private static final String UNTRUSTED =
            "nobody who is trusted here has signed the server's certificate: look at Tls.trusting (MINK_CA_FILE)";
    private static final String NO_AGREEMENT = "the server and this client could not agree on TLS";
    private static final String WANTS_CERTIFICATE =
            "the server hung up while TLS was agreed on: it wants a client certificate, and Tls.withClientCertificate"
                    + " (MINK_CLIENT_CERT_FILE) is missing, expired, or signed by somebody whom it does not trust; or it is no Mink with TLS,"
                    + " or is just stopping: look at the address, and at its log";
    private static final String WANTS_TLS =
            "the server hung up at once: if it speaks TLS, turn TLS on here (MinkBuilder.tls, MINK_TLS)";
    private static final String NO_GRPC = "what answers there does not speak gRPC: look at the port";

    private Advice() {}

    /**
     * What to look at; empty if nothing is known.
     *
     * @param status what gRPC says about the call
     * @param tls whether this client speaks TLS
     * @param connected whether there was a connection before: then the settings are good
     */
    static String to(Status status, boolean tls, boolean connected) {
        if (status.getCode() != Status.Code.UNAVAILABLE && status.getCode() != Status.Code.INTERNAL) {
            return "";
        }
        for (Throwable cause = status.getCause(); cause != null; cause = next(cause)) {
            String found = about(cause);
            if (!found.isEmpty()) {
                return found;
            }
        }
        String said = status.getDescription() + " " + status.getCause();
        boolean hungUp =
                said.contains("Network closed") || said.contains("reset by peer") || said.contains("Broken pipe");
        if (connected || !hungUp) {
            return "";
        }
        return tls ? WANTS_CERTIFICATE : WANTS_TLS;
    }

    private static Throwable next(Throwable cause) {
        return cause.getCause() == cause ? null : cause.getCause();
    }

    private static String about(Throwable cause) {
        String words = cause.getMessage() == null ? "" : cause.getMessage();
        if (words.contains("First received frame was not SETTINGS")) {
            return NO_GRPC;
        }
        if (words.contains("not an SSL/TLS record")) {
            return NO_TLS;
        }
        if (cause instanceof CertificateExpiredException) {
            return EXPIRED;
        }
        if (cause instanceof CertificateNotYetValidException) {
            return TOO_NEW;
        }
        if (cause instanceof CertPathBuilderException
                || (cause instanceof CertPathValidatorException
                        && !(cause.getCause() instanceof CertificateException))) {
            return UNTRUSTED;
        }
        if (cause instanceof CertificateException && cause.getCause() == null) {
            return words.startsWith("No name matching") || words.startsWith("No subject alternative")
                    ? OTHER_NAME
                    : UNTRUSTED;
        }
        if (cause instanceof SSLException && cause.getCause() == null) {
            String alert = words.toLowerCase(Locale.ROOT);
            return alert.contains("alert") && !alert.contains("protocol") ? WANTS_CERTIFICATE : NO_AGREEMENT;
        }
        return "";
    }
}
