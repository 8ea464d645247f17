package dev.mink.client;

/**
 * What a feed is about: what to ask for, after what was seen. Lives on the loop.
 *
 * @param <Q> requests
 * @param <M> messages of the server
 * @param <T> what the reader gets
 */
interface Source<Q, M, T> {
    /** What to ask for now, after what was seen; null if there is nothing left to see. */
    Q next();

    /** Takes a message. What the reader gets for it; null: nothing. */
    T saw(M message);

    /** What the reader gets when a call broke that is made again; null: nothing. */
    default T broken() {
        return null;
    }

    /** Whether it is the end if the server ends a call well; otherwise the call is made again. */
    default boolean hasEnd() {
        return true;
    }
}
