package dev.mink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import dev.mink.client.protos.AccessRequired;
import dev.mink.client.protos.EventIdConflict;
import dev.mink.client.protos.ExpectationViolation;
import dev.mink.client.protos.ExpectedState;
import dev.mink.client.protos.Failure;
import dev.mink.client.protos.PositionAhead;
import dev.mink.client.protos.SizeLimit;
import dev.mink.client.protos.WrongExpectedVersion;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.net.ConnectException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What each status means. */
class ErrorsTest {
    private static final ResourceInfo ORDER =
            ResourceInfo.newBuilder().setResourceName("Order-1").build();

    @Test
    void aWrongVersionNamesEveryStreamThatWasNotAsExpected() {
        var detail = WrongExpectedVersion.newBuilder()
                .addViolations(ExpectationViolation.newBuilder()
                        .setStream("A")
                        .setExactVersion(7)
                        .setActualVersion(3))
                .addViolations(ExpectationViolation.newBuilder().setStream("B").setState(ExpectedState.NO_STREAM))
                .build();
        var error = assertInstanceOf(
                WrongExpectedVersionException.class,
                Errors.of(FakeServer.status(Code.ABORTED, "WRONG_EXPECTED_VERSION", detail)));
        assertEquals("WRONG_EXPECTED_VERSION", error.reason());
        assertEquals("A", error.stream());
        assertEquals(Expected.version(7), error.expected());
        assertEquals(3, error.actual());
        assertEquals(
                List.of(
                        new WrongExpectedVersionException.Violation("A", Expected.version(7), 3),
                        new WrongExpectedVersionException.Violation("B", Expected.NO_STREAM, 0)),
                error.violations());
    }

    @Test
    void aReasonWithoutItsDetailIsStillThatReason() {
        MinkException error = Errors.of(FakeServer.status(Code.ABORTED, "WRONG_EXPECTED_VERSION"));
        assertSame(MinkException.class, error.getClass());
        assertEquals("WRONG_EXPECTED_VERSION", error.reason());
    }

    @ParameterizedTest
    @CsvSource({
        "NOT_FOUND, STREAM_NOT_FOUND, StreamNotFoundException",
        "NOT_FOUND, STREAM_DELETED, StreamDeletedException",
        "NOT_FOUND, SNAPSHOT_NOT_FOUND, SnapshotNotFoundException",
        "NOT_FOUND, PROJECTION_NOT_FOUND, MinkException",
        "FAILED_PRECONDITION, PROJECTION_IN_USE, MinkException",
        "ALREADY_EXISTS, EVENT_ID_CONFLICT, EventIdConflictException",
        "INVALID_ARGUMENT, INVALID_REQUEST, InvalidRequestException",
        "OUT_OF_RANGE, POSITION_AHEAD, PositionAheadException",
        "INVALID_ARGUMENT, EVENT_TOO_LARGE, EventTooLargeException",
        "INVALID_ARGUMENT, REQUEST_TOO_LARGE, RequestTooLargeException",
        "UNAUTHENTICATED, UNAUTHENTICATED, UnauthenticatedException",
        "PERMISSION_DENIED, PERMISSION_DENIED, PermissionDeniedException",
        "UNAVAILABLE, DATABASE_UNAVAILABLE, DatabaseUnavailableException",
        "UNAVAILABLE, SHUTTING_DOWN, ShuttingDownException",
        "RESOURCE_EXHAUSTED, OVERLOADED, OverloadedException",
        "INTERNAL, INTERNAL, InternalException",
        "ABORTED, OF_A_NEWER_SERVER, MinkException",
    })
    void eachReasonHasItsType(Code code, String reason, String type) {
        MinkException error = Errors.of(FakeServer.status(code, reason, ORDER));
        assertEquals(type, error.getClass().getSimpleName());
        assertEquals(reason, error.reason());
        assertEquals("made up", error.getMessage());
    }

    @ParameterizedTest
    @EnumSource(value = Code.class, names = "OK", mode = EnumSource.Mode.EXCLUDE)
    void eachCodeOfGrpcItselfHasItsType(Code code) {
        String type =
                switch (code) {
                    case UNAVAILABLE, CANCELLED -> "UnavailableException UNAVAILABLE";
                    case DEADLINE_EXCEEDED -> "DeadlineExceededException DEADLINE_EXCEEDED";
                    case INVALID_ARGUMENT -> "InvalidRequestException INVALID_ARGUMENT";
                    case UNAUTHENTICATED -> "UnauthenticatedException UNAUTHENTICATED";
                    case PERMISSION_DENIED -> "PermissionDeniedException PERMISSION_DENIED";
                    case INTERNAL -> "InternalException INTERNAL";
                    case UNKNOWN -> "InternalException UNKNOWN";
                    default -> "MinkException " + code.name();
                };
        for (MinkException error : List.of(
                Errors.of(code.toStatus().withDescription("why"), new Metadata(), "host:1"),
                Errors.of(FakeServer.status(code, "someone.else", "STREAM_NOT_FOUND")))) {
            assertEquals(type, error.getClass().getSimpleName() + " " + error.reason());
        }
    }

    @Test
    void theDetailsAreInTheException() {
        var missing = (StreamDeletedException) Errors.of(FakeServer.status(Code.NOT_FOUND, "STREAM_DELETED", ORDER));
        assertEquals("Order-1", missing.stream());
        var conflict = (EventIdConflictException) Errors.of(FakeServer.status(
                Code.ALREADY_EXISTS,
                "EVENT_ID_CONFLICT",
                EventIdConflict.newBuilder().setEventId("an id").build()));
        assertEquals("an id", conflict.eventId());
        var invalid = (InvalidRequestException) Errors.of(FakeServer.status(
                Code.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                                .setField("stream")
                                .setDescription("must not be empty"))
                        .build()));
        assertEquals(
                List.of(new InvalidRequestException.Violation("stream", "must not be empty")), invalid.violations());
        var ahead = (PositionAheadException) Errors.of(FakeServer.status(
                Code.OUT_OF_RANGE,
                "POSITION_AHEAD",
                PositionAhead.newBuilder()
                        .setPosition(9)
                        .setHead(5)
                        .setLogId("log")
                        .build()));
        assertEquals("9 5 log", ahead.position() + " " + ahead.head() + " " + ahead.logId());
        var large = (EventTooLargeException) Errors.of(FakeServer.status(
                Code.INVALID_ARGUMENT,
                "EVENT_TOO_LARGE",
                SizeLimit.newBuilder().setSizeBytes(9).setLimitBytes(5).build()));
        assertEquals("9 5", large.size() + " " + large.limit());
        var denied = (PermissionDeniedException) Errors.of(FakeServer.status(
                Code.PERMISSION_DENIED,
                "PERMISSION_DENIED",
                AccessRequired.newBuilder().setRole("manage").build()));
        assertEquals(Optional.of("manage"), denied.role());
        assertEquals(Optional.empty(), denied.stream());
        var overloaded = (OverloadedException)
                Errors.of(FakeServer.status(Code.RESOURCE_EXHAUSTED, "OVERLOADED", FakeServer.retryAfter(1.5)));
        assertEquals(Optional.of(Duration.ofMillis(1500)), overloaded.retryAfter());
        var away = (DatabaseUnavailableException)
                Errors.of(FakeServer.status(Code.UNAVAILABLE, "DATABASE_UNAVAILABLE", FakeServer.retryAfter(2)));
        assertEquals(Optional.of(Duration.ofSeconds(2)), away.retryAfter());
    }

    @Test
    void aFailureOfASessionMeansTheSameAsAStatus() {
        var status = FakeServer.status(Code.NOT_FOUND, "STREAM_DELETED", ORDER);
        MinkException error = Errors.of(Failure.newBuilder()
                .setCode(status.getCode())
                .setMessage(status.getMessage())
                .addAllDetails(status.getDetailsList())
                .build());
        assertEquals("Order-1", assertInstanceOf(StreamDeletedException.class, error).stream());
    }

    @Test
    void damagedDetailsAreNoDetails() {
        var info = ErrorInfo.newBuilder()
                .setDomain("mink")
                .setReason("STREAM_NOT_FOUND")
                .build();
        var status = com.google.rpc.Status.newBuilder()
                .setCode(Code.NOT_FOUND.value())
                .addDetails(Any.pack(info))
                .addDetails(Any.newBuilder()
                        .setTypeUrl("type.googleapis.com/google.rpc.ResourceInfo")
                        .setValue(ByteString.copyFrom(new byte[] {(byte) 0xff})))
                .build();
        assertEquals("", assertInstanceOf(StreamNotFoundException.class, Errors.of(status)).stream());
        Metadata trailers = new Metadata();
        trailers.put(
                Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), new byte[] {(byte) 0xff});
        assertEquals(
                "NOT_FOUND", Errors.of(Status.NOT_FOUND, trailers, "host:1").reason());
    }

    @Test
    void whoCannotBeReachedIsNamedWithTheCause() {
        Status status = Status.UNAVAILABLE.withDescription("io exception").withCause(new ConnectException("refused"));
        MinkException error = Errors.of(status, new Metadata(), "host:1");
        assertEquals("cannot reach Mink at host:1: io exception (refused)", error.getMessage());
        assertInstanceOf(ConnectException.class, error.getCause());
    }

    @Test
    void whatIsSmallIsNeverTooLarge() {
        var exhausted = new MinkException("RESOURCE_EXHAUSTED", "slower");
        var request = dev.mink.client.protos.SaveSnapshotRequest.newBuilder();
        assertSame(exhausted, Errors.ofSize(exhausted, request.build()));
        request.setBinary(ByteString.copyFrom(new byte[5000]));
        assertInstanceOf(RequestTooLargeException.class, Errors.ofSize(exhausted, request.build()));
    }
}
