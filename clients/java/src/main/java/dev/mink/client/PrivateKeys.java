package dev.mink.client;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Private keys in PEM form: PKCS #8, which the JDK reads, and the older forms of OpenSSL for RSA and EC, which it does not. */
final class PrivateKeys {
    private static final Pattern KEY =
            Pattern.compile("-----BEGIN ((?:RSA |EC )?)PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END");
    private static final Pattern PARAMETERS =
            Pattern.compile("-----BEGIN EC PARAMETERS-----([A-Za-z0-9+/=\\s]+)-----END");

    private static final byte[] VERSION_0 = {0x02, 0x01, 0x00};
    /** rsaEncryption, 1.2.840.113549.1.1.1, and its parameters, NULL. */
    private static final byte[] RSA = {
        0x06, 0x09, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00
    };
    /** ecPublicKey, 1.2.840.10045.2.1. */
    private static final byte[] EC = {0x06, 0x07, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x02, 0x01};

    private static final int SEQUENCE = 0x30;
    private static final int OCTETS = 0x04;
    private static final int PARAMETERS_OF_EC = 0xa0;

    private PrivateKeys() {}

    /**
     * Reads the first key in a text.
     *
     * @throws GeneralSecurityException if it holds none that can be used
     * @throws IllegalArgumentException if it is damaged
     */
    static PrivateKey parse(String pem) throws GeneralSecurityException {
        Matcher found = KEY.matcher(pem);
        if (!found.find()) {
            throw new InvalidKeySpecException("no private key");
        }
        byte[] der = Base64.getMimeDecoder().decode(found.group(2));
        return switch (found.group(1)) {
            case "RSA " -> key("RSA", wrap(RSA, der));
            case "EC " -> key("EC", wrap(join(EC, curve(pem, der)), der));
            default -> any(der);
        };
    }

    private static PrivateKey any(byte[] pkcs8) throws GeneralSecurityException {
        for (String algorithm : List.of("EC", "RSA", "EdDSA")) {
            try {
                return key(algorithm, pkcs8);
            } catch (InvalidKeySpecException error) {
                // It may be one of the others.
            }
        }
        throw new InvalidKeySpecException("no known algorithm");
    }

    private static PrivateKey key(String algorithm, byte[] pkcs8) throws GeneralSecurityException {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
    }

    /** PrivateKeyInfo of RFC 5208: version, algorithm with its parameters, and the key as it was. */
    private static byte[] wrap(byte[] algorithm, byte[] key) {
        return element(SEQUENCE, join(VERSION_0, element(SEQUENCE, algorithm), element(OCTETS, key)));
    }

    /** The curve's name: in the key itself ([0] of RFC 5915), or in a block of its own before it. */
    private static byte[] curve(String pem, byte[] key) throws InvalidKeySpecException {
        int at = contentOf(key, 0); // into the sequence
        while (at < key.length) {
            int begin = contentOf(key, at);
            int end = begin + lengthOf(key, at);
            if ((key[at] & 0xff) == PARAMETERS_OF_EC) {
                return Arrays.copyOfRange(key, begin, end);
            }
            at = end;
        }
        Matcher found = PARAMETERS.matcher(pem);
        if (found.find()) {
            return Base64.getMimeDecoder().decode(found.group(1));
        }
        throw new InvalidKeySpecException("no curve");
    }

    private static int contentOf(byte[] der, int at) {
        check(der, at + 1);
        return at + 2 + ((der[at + 1] & 0x80) == 0 ? 0 : der[at + 1] & 0x7f);
    }

    private static int lengthOf(byte[] der, int at) {
        int first = der[at + 1] & 0xff;
        if (first < 0x80) {
            return first;
        }
        int length = 0;
        for (int place = at + 2; place < contentOf(der, at); place++) {
            check(der, place);
            length = (length << 8) | (der[place] & 0xff);
        }
        if (length < 0 || length > der.length) {
            throw new IllegalArgumentException("damaged");
        }
        return length;
    }

    private static void check(byte[] der, int at) {
        if (at >= der.length) {
            throw new IllegalArgumentException("cut short");
        }
    }

    private static byte[] element(int tag, byte[] content) {
        int length = content.length;
        byte[] head;
        if (length < 0x80) {
            head = new byte[] {(byte) tag, (byte) length};
        } else if (length < 0x100) {
            head = new byte[] {(byte) tag, (byte) 0x81, (byte) length};
        } else {
            head = new byte[] {(byte) tag, (byte) 0x82, (byte) (length >> 8), (byte) length};
        }
        return join(head, content);
    }

    private static byte[] join(byte[]... parts) {
        var all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
