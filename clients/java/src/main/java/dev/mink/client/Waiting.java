package dev.mink.client;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;

/** How a caller gets what the loop has made: by waiting for it, or in a thread that may wait. */
final class Waiting {
    private Waiting() {}

    /**
     * Waits for something.
     *
     * @throws CallInterruptedException if the thread is interrupted; it stays marked as interrupted, and what it waited for is cancelled
     * @throws MinkException what it failed with, with the place of this call
     */
    static <T> T on(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException error) {
            future.cancel(true);
            throw interrupted();
        } catch (ExecutionException error) {
            throw thrownHere(error.getCause());
        }
    }

    /** Marks the thread as interrupted again, and says so. */
    static CallInterruptedException interrupted() {
        Thread.currentThread().interrupt();
        return new CallInterruptedException("the thread was interrupted while it waited for Mink");
    }

    /** To be asked before something is sent. */
    static void checkInterrupted() {
        if (Thread.currentThread().isInterrupted()) {
            throw interrupted();
        }
    }

    /** What another thread has made, as if it was made here: where the program called is what a person looks for. */
    static RuntimeException thrownHere(Throwable error) {
        if (error instanceof Error serious) {
            throw serious;
        }
        if (error instanceof RuntimeException known) {
            known.fillInStackTrace();
            return known;
        }
        return new IllegalStateException(error);
    }

    /**
     * Hands something over to an executor, so that what a program does with it never keeps the loop from its work.
     *
     * @return a future of its own; cancelling it cancels the first one
     */
    static <T, R> CompletableFuture<R> handOver(CompletableFuture<T> made, Function<T, R> convert, Executor executor) {
        CompletableFuture<R> given = new CompletableFuture<>();
        made.whenComplete((value, error) -> execute(executor, () -> {
            if (error != null) {
                given.completeExceptionally(error instanceof CompletionException wrapped ? wrapped.getCause() : error);
                return;
            }
            try {
                given.complete(convert.apply(value));
            } catch (RuntimeException wrong) {
                given.completeExceptionally(wrong);
            }
        }));
        given.whenComplete((value, error) -> {
            if (error instanceof CancellationException) {
                made.cancel(true);
            }
        });
        return given;
    }

    /** Runs something in an executor; in the common pool, if that one refuses it. Never here: what it waits for may need this thread. */
    static void execute(Executor executor, Runnable task) {
        try {
            executor.execute(task);
        } catch (RejectedExecutionException error) {
            ForkJoinPool.commonPool().execute(task);
        }
    }
}
