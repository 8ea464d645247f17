package dev.mink.client;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;

/** Certificates and keys out of files in PEM form, checked as they are read. No error shows what stands in them. */
final class PemFiles {
    private PemFiles() {}

    /**
     * The certificates in a file; at least one.
     *
     * @throws CredentialsException if the file cannot be read, or holds none
     */
    static List<X509Certificate> certificates(String argument, Path file) {
        byte[] data = read(argument, file);
        try {
            String text = new String(data, StandardCharsets.ISO_8859_1);
            int begin = text.indexOf("-----BEGIN");
            if (begin >= 0) {
                // The JDK takes no words before the first certificate.
                var pem = new ByteArrayInputStream(data, begin, data.length - begin);
                List<X509Certificate> found = CertificateFactory.getInstance("X.509").generateCertificates(pem).stream()
                        .map(X509Certificate.class::cast)
                        .toList();
                if (!found.isEmpty()) {
                    return found;
                }
            }
        } catch (CertificateException error) {
            // Its words may hold what stands in the file.
        }
        throw new CredentialsException(argument, file + " holds no certificate in PEM form, or a damaged one");
    }

    /**
     * The private key in a file.
     *
     * @throws CredentialsException if the file cannot be read, or holds none that can be used
     */
    static PrivateKey key(Path file) {
        String text = new String(read("key_file", file), StandardCharsets.ISO_8859_1);
        if (text.contains("ENCRYPTED")) {
            throw new CredentialsException("key_file", file + " is protected by a passphrase, which is not supported");
        }
        if (!text.contains("PRIVATE KEY-----")) {
            throw new CredentialsException("key_file", file + " holds no private key in PEM form");
        }
        try {
            return PrivateKeys.parse(text);
        } catch (GeneralSecurityException | IllegalArgumentException error) {
            throw new CredentialsException("key_file", file + " holds no usable private key");
        }
    }

    /**
     * Checks that a key belongs to a certificate, by signing something.
     *
     * @throws CredentialsException if it does not
     */
    static void checkPair(X509Certificate certificate, Path certFile, PrivateKey key, Path keyFile) {
        PublicKey shown = certificate.getPublicKey();
        boolean pair = false;
        if (shown.getAlgorithm().equals(key.getAlgorithm())) {
            try {
                Signature signature = Signature.getInstance(
                        switch (key.getAlgorithm()) {
                            case "RSA" -> "SHA256withRSA";
                            case "EC" -> "SHA256withECDSA";
                            default -> key.getAlgorithm();
                        });
                byte[] something = file(certFile);
                signature.initSign(key);
                signature.update(something);
                byte[] signed = signature.sign();
                signature.initVerify(shown);
                signature.update(something);
                pair = signature.verify(signed);
            } catch (GeneralSecurityException error) {
                throw new CredentialsException("key_file", keyFile + " holds no usable private key");
            }
        }
        if (!pair) {
            throw new CredentialsException("key_file", keyFile + " does not belong to the certificate in " + certFile);
        }
    }

    private static byte[] file(Path name) {
        return name.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] read(String argument, Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException error) {
            throw unreadable(argument, file, error);
        }
    }

    static CredentialsException unreadable(String argument, Path file, IOException error) {
        String why = error instanceof NoSuchFileException
                ? "there is no such file"
                : error instanceof AccessDeniedException
                        ? "permission denied"
                        : Files.isDirectory(file)
                                ? "it is a folder"
                                : error.getClass().getSimpleName();
        return new CredentialsException(argument, "cannot read " + file + ": " + why);
    }
}
