package dev.mink.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.TimeUnit;

/** Certificates that sign themselves, and their keys, in each form that programs write. Made with the keytool of the JDK. */
final class TestCertificates {
    private static final String PASSWORD = "changeit";

    private TestCertificates() {}

    /** What kind of key, and how it is written. */
    enum Kind {
        /** RSA, PKCS #8. */
        RSA("RSA", ""),
        /** RSA, as OpenSSL wrote it of old: PKCS #1. */
        RSA_OLD("RSA", "RSA "),
        /** EC, PKCS #8. */
        EC("EC", ""),
        /** EC, as OpenSSL writes it: SEC 1. */
        EC_OLD("EC", "EC "),
        /** Another one. */
        EC_OTHER("EC", ""),
        /** Ed25519, PKCS #8. */
        ED25519("Ed25519", "");

        private final String algorithm;
        private final String form;

        Kind(String algorithm, String form) {
            this.algorithm = algorithm;
            this.form = form;
        }
    }

    /** Writes a certificate, and its key. */
    static void write(Path folder, Kind kind) throws IOException, GeneralSecurityException, InterruptedException {
        Path file = folder.resolve(kind + ".p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        "it",
                        "-dname",
                        "CN=localhost",
                        "-storetype",
                        "PKCS12",
                        "-keystore",
                        file.toString(),
                        "-storepass",
                        PASSWORD,
                        "-keyalg",
                        kind.algorithm)
                .redirectErrorStream(true)
                .start();
        String said = new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!keytool.waitFor(60, TimeUnit.SECONDS) || keytool.exitValue() != 0) {
            throw new IOException(said);
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream opened = Files.newInputStream(file)) {
            store.load(opened, PASSWORD.toCharArray());
        }
        pem(
                folder.resolve(kind + ".pem"),
                "CERTIFICATE",
                store.getCertificate("it").getEncoded());
        PrivateKey key = (PrivateKey) store.getKey("it", PASSWORD.toCharArray());
        byte[] der = kind.form.isEmpty() ? key.getEncoded() : inner(key.getEncoded(), kind);
        pem(folder.resolve(kind + ".key"), kind.form + "PRIVATE KEY", der);
    }

    /** The key within PKCS #8: what stands in its last octets. For EC with the name of the curve, which is only around it. */
    private static byte[] inner(byte[] pkcs8, Kind kind) {
        int at = pkcs8.length - 1;
        while (!(pkcs8[at] == 0x04 && endsWith(pkcs8, at))) {
            at--;
        }
        int content = pkcs8.length - lengthAt(pkcs8, at);
        byte[] key = Arrays.copyOfRange(pkcs8, content, pkcs8.length);
        if (kind.form.equals("RSA ")) {
            return key;
        }
        // secp256r1, or whatever curve the algorithm of PKCS #8 names: its second element.
        byte[] p384 = {0x06, 0x05, 0x2b, (byte) 0x81, 0x04, 0x00, 0x22};
        byte[] p256 = {0x06, 0x08, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x03, 0x01, 0x07};
        byte[] curve = contains(pkcs8, p384) ? p384 : p256;
        byte[] body = Arrays.copyOfRange(key, 2, key.length);
        byte[] named = new byte[body.length + 2 + curve.length];
        // version, key, [0] curve; what follows the key is left out
        int ownKey = 3 + 2 + (body[4] & 0xff);
        System.arraycopy(body, 0, named, 0, ownKey);
        named[ownKey] = (byte) 0xa0;
        named[ownKey + 1] = (byte) curve.length;
        System.arraycopy(curve, 0, named, ownKey + 2, curve.length);
        int length = ownKey + 2 + curve.length;
        byte[] whole = new byte[length + 2];
        whole[0] = 0x30;
        whole[1] = (byte) length;
        System.arraycopy(named, 0, whole, 2, length);
        return whole;
    }

    private static boolean endsWith(byte[] der, int at) {
        int length = lengthAt(der, at);
        int head = (der[at + 1] & 0x80) == 0 ? 2 : 2 + (der[at + 1] & 0x7f);
        return length > 16 && at + head + length == der.length && der[at + head] == 0x30;
    }

    private static int lengthAt(byte[] der, int at) {
        if (at + 1 >= der.length) {
            return 0;
        }
        int first = der[at + 1] & 0xff;
        if (first < 0x80) {
            return first;
        }
        int length = 0;
        for (int place = at + 2; place < Math.min(at + 2 + (first & 0x7f), der.length); place++) {
            length = (length << 8) | (der[place] & 0xff);
        }
        return length;
    }

    private static boolean contains(byte[] all, byte[] part) {
        for (int at = 0; at + part.length <= all.length; at++) {
            if (Arrays.equals(all, at, at + part.length, part, 0, part.length)) {
                return true;
            }
        }
        return false;
    }

    private static void pem(Path file, String what, byte[] der) throws IOException {
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        Files.writeString(file, "-----BEGIN " + what + "-----\n" + body + "\n-----END " + what + "-----\n");
    }
}
