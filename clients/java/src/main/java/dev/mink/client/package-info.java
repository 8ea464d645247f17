/**
 * The client of Mink, an event store over gRPC.
 *
 * <p>{@link dev.mink.client.Mink} is where to begin: {@code Mink.connect("localhost:50051")}. Its methods wait; {@link
 * dev.mink.client.AsyncMink} has the same ones for programs that do not. What goes wrong is a {@link dev.mink.client.MinkException}.
 *
 * @serial exclude
 */
package dev.mink.client;
