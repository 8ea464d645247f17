package dev.mink.client;

/** Text on its way into a message. */
final class Texts {
    private Texts() {}

    /**
     * Checks that text can be written as UTF-8: protobuf would write half a character as a question mark.
     *
     * @param name what the caller calls it
     * @param text the text
     * @return the text
     * @throws NullPointerException if it is null
     * @throws IllegalArgumentException if it has half a character in it
     */
    static String checked(String name, String text) {
        if (text == null) {
            throw new NullPointerException(name);
        }
        int at = 0;
        while (at < text.length()) {
            int character = text.codePointAt(at);
            if (character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE) {
                throw new IllegalArgumentException(name + ": half a character (a surrogate without its other half)");
            }
            at += Character.charCount(character);
        }
        return text;
    }
}
