package dev.mink.client.conformance;

import java.math.BigDecimal;
import java.math.BigInteger;

/** Numbers of any kind, by their value. */
final class Numbers {
    private Numbers() {}

    static BigDecimal of(Object number) {
        return number instanceof BigInteger whole
                ? new BigDecimal(whole)
                : number instanceof Integer || number instanceof Long
                        ? BigDecimal.valueOf(((Number) number).longValue())
                        : new BigDecimal(number.toString());
    }

    static boolean isWhole(Object value) {
        return value instanceof Integer || value instanceof Long || value instanceof BigInteger;
    }

    /** A whole number, as small a kind as holds it. */
    static Object whole(BigInteger number) {
        return number.bitLength() < 64 ? (Object) number.longValueExact() : number;
    }
}
