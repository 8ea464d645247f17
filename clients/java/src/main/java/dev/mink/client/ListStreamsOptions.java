package dev.mink.client;

/**
 * Which streams to list.
 *
 * @param prefix only streams whose name begins so; empty: all
 * @param includeDeleted also the deleted ones
 * @param pageSize how many streams the server sends at once, at most 1000; 0: 100
 */
public record ListStreamsOptions(String prefix, boolean includeDeleted, int pageSize) {
    /** All streams that are not deleted. */
    public static final ListStreamsOptions ALL = new ListStreamsOptions("", false, 0);

    /**
     * Makes options.
     *
     * @param prefix only streams whose name begins so; empty: all
     * @param includeDeleted also the deleted ones
     * @param pageSize how many streams the server sends at once, at most 1000; 0: 100
     */
    public ListStreamsOptions {
        Texts.checked("prefix", prefix);
    }

    /**
     * The same with a prefix.
     *
     * @param begin only streams whose name begins so
     * @return options
     */
    public ListStreamsOptions prefix(String begin) {
        return new ListStreamsOptions(begin, includeDeleted, pageSize);
    }

    /**
     * The same with or without deleted streams.
     *
     * @param included whether they are listed as well
     * @return options
     */
    public ListStreamsOptions includeDeleted(boolean included) {
        return new ListStreamsOptions(prefix, included, pageSize);
    }

    /**
     * The same with another size of pages.
     *
     * @param streams how many streams the server sends at once, at most 1000; 0: 100
     * @return options
     */
    public ListStreamsOptions pageSize(int streams) {
        return new ListStreamsOptions(prefix, includeDeleted, streams);
    }
}
