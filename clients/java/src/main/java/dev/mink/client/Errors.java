package dev.mink.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dev.mink.client.protos.AccessRequired;
import dev.mink.client.protos.AppendToStreamRequest;
import dev.mink.client.protos.AppendToStreamsRequest;
import dev.mink.client.protos.EventIdConflict;
import dev.mink.client.protos.ExpectationViolation;
import dev.mink.client.protos.Failure;
import dev.mink.client.protos.PositionAhead;
import dev.mink.client.protos.SaveSnapshotRequest;
import dev.mink.client.protos.SizeLimit;
import dev.mink.client.protos.WrongExpectedVersion;
import io.grpc.Metadata;
import java.time.Duration;
import java.util.List;

/** What a status means, as an exception. They are told apart by {@code google.rpc.ErrorInfo.reason}, never by a message's words. */
final class Errors {
    private static final String DOMAIN = "mink";
    /** Bytes that every receiver takes: who refuses so little, a proxy for example, has another reason. */
    private static final long NEVER_TOO_LARGE = 4096;

    private static final Metadata.Key<byte[]> DETAILS =
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

    private Errors() {}

    /** The exception that a failed call means. */
    static MinkException of(io.grpc.Status status, Metadata trailers, String target) {
        return of(status, trailers, target, "");
    }

    /**
     * The same with advice.
     *
     * @param advice what a person should look at if the server has not said what is wrong; empty: nothing is known
     */
    static MinkException of(io.grpc.Status status, Metadata trailers, String target, String advice) {
        byte[] details = trailers == null ? null : trailers.get(DETAILS);
        if (details != null) {
            try {
                return of(Status.parseFrom(details));
            } catch (InvalidProtocolBufferException error) {
                // The details are damaged; the code and the message are not.
            }
        }
        String message = status.getDescription() == null ? status.getCode().name() : firstLine(status.getDescription());
        if (status.getCode() == io.grpc.Status.Code.CANCELLED && status.getCause() != null) {
            // No server sends a cause: gRPC cuts a call so when what takes its messages here throws.
            return ofClient(status.getCause());
        }
        if (status.getCode() == io.grpc.Status.Code.UNAVAILABLE) {
            return new UnavailableException(unreachable(target, message, status, advice), null)
                    .because(status.getCause());
        }
        if (!advice.isEmpty()) {
            message = unreachable(target, message, status, advice);
        }
        return byCode(status.getCode().value(), message, null).because(status.getCause());
    }

    private static String unreachable(String target, String message, io.grpc.Status status, String advice) {
        String said = message + cause(status.getCause());
        return "cannot reach Mink at " + target + ": " + (advice.isEmpty() ? said : advice + " (" + said + ")");
    }

    /** Without what Netty writes below, which is about itself. */
    private static String firstLine(String text) {
        String line = text.lines().findFirst().orElse("");
        int netty = line.indexOf("Channel Pipeline:");
        return (netty < 0 ? line : line.substring(0, netty)).strip();
    }

    /** What an exception within this client means: nothing that trying again would change. */
    static MinkException ofClient(Throwable cause) {
        return cause instanceof MinkException known
                ? known
                : new InternalException("INTERNAL", "this client has failed: " + cause).because(cause);
    }

    /**
     * What a failed unary call means, knowing what was sent: gRPC itself refuses a message that is larger than its receiver takes with a
     * code alone.
     */
    static MinkException ofSize(MinkException error, Object request) {
        boolean carries = request instanceof AppendToStreamRequest
                || request instanceof AppendToStreamsRequest
                || request instanceof SaveSnapshotRequest;
        if (!carries || !error.reason().equals(io.grpc.Status.Code.RESOURCE_EXHAUSTED.name())) {
            return error;
        }
        long size = ((Message) request).getSerializedSize();
        return size <= NEVER_TOO_LARGE
                ? error
                : new RequestTooLargeException(error.reason(), error.getMessage(), size, 0).because(error);
    }

    /** The innermost cause, for a person: what gRPC itself says is often only that there was one. */
    private static String cause(Throwable thrown) {
        Throwable cause = thrown;
        while (cause != null && cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        return cause == null || cause.getMessage() == null
                ? ""
                : " (" + firstLine(Secrets.without(cause.getMessage())) + ")";
    }

    /** The exception that a failed append of a session means. */
    static MinkException of(Failure failure) {
        return of(Status.newBuilder()
                .setCode(failure.getCode())
                .setMessage(failure.getMessage())
                .addAllDetails(failure.getDetailsList())
                .build());
    }

    /** The exception that a {@code google.rpc.Status} means. */
    static MinkException of(Status status) {
        Details details = new Details(status.getDetailsList());
        ErrorInfo info = details.get(ErrorInfo.getDefaultInstance());
        String message = status.getMessage();
        Duration retryAfter = retryAfter(details);
        if (info.getDomain().equals(DOMAIN)) {
            MinkException known = byReason(info.getReason(), message, details, retryAfter);
            if (known != null) {
                return known;
            }
        }
        MinkException known = byCodeOrNull(status.getCode(), message, details, retryAfter);
        if (known != null) {
            return known;
        }
        String name = io.grpc.Status.fromCodeValue(status.getCode()).getCode().name();
        boolean ours = info.getDomain().equals(DOMAIN) && !info.getReason().isEmpty();
        return new MinkException(ours ? info.getReason() : name, message);
    }

    private static MinkException byReason(String reason, String message, Details details, Duration retryAfter) {
        String name = details.get(ResourceInfo.getDefaultInstance()).getResourceName();
        AccessRequired access = details.get(AccessRequired.getDefaultInstance());
        SizeLimit size = details.get(SizeLimit.getDefaultInstance());
        return switch (reason) {
            case "WRONG_EXPECTED_VERSION" -> wrongVersion(message, details);
            case "EVENT_ID_CONFLICT" ->
                new EventIdConflictException(
                        message,
                        details.get(EventIdConflict.getDefaultInstance()).getEventId());
            case "STREAM_NOT_FOUND" -> new StreamNotFoundException(message, name);
            case "STREAM_DELETED" -> new StreamDeletedException(message, name);
            case "SNAPSHOT_NOT_FOUND" -> new SnapshotNotFoundException(message, name);
            case "INVALID_REQUEST" -> invalid(reason, message, details);
            case "POSITION_AHEAD" -> {
                PositionAhead ahead = details.get(PositionAhead.getDefaultInstance());
                yield new PositionAheadException(message, ahead.getPosition(), ahead.getHead(), ahead.getLogId());
            }
            case "EVENT_TOO_LARGE" -> new EventTooLargeException(message, size.getSizeBytes(), size.getLimitBytes());
            case "REQUEST_TOO_LARGE" ->
                new RequestTooLargeException(message, size.getSizeBytes(), size.getLimitBytes());
            case "UNAUTHENTICATED" -> new UnauthenticatedException(message, access.getRole(), access.getStream());
            case "PERMISSION_DENIED" -> new PermissionDeniedException(message, access.getRole(), access.getStream());
            case "DATABASE_UNAVAILABLE" -> new DatabaseUnavailableException(message, retryAfter);
            case "SHUTTING_DOWN" -> new ShuttingDownException(message, retryAfter);
            case "OVERLOADED" -> new OverloadedException(message, retryAfter);
            case "INTERNAL" -> new InternalException(reason, message);
            default -> null;
        };
    }

    private static MinkException byCode(int code, String message, Duration retryAfter) {
        MinkException known = byCodeOrNull(code, message, new Details(List.of()), retryAfter);
        return known != null
                ? known
                : new MinkException(io.grpc.Status.fromCodeValue(code).getCode().name(), message);
    }

    /** What gRPC itself, a proxy, or something that is not Mink answers: there is only the code. */
    private static MinkException byCodeOrNull(int code, String message, Details details, Duration retryAfter) {
        return switch (io.grpc.Status.fromCodeValue(code).getCode()) {
            case UNAVAILABLE -> new UnavailableException(message, retryAfter);
            // A server that stops cuts its calls so; when the caller itself cancels, nobody sees this.
            case CANCELLED ->
                new UnavailableException(message.isEmpty() ? "the server ended the call" : message, retryAfter);
            case DEADLINE_EXCEEDED -> new DeadlineExceededException(message);
            case INVALID_ARGUMENT -> invalid("INVALID_ARGUMENT", message, details);
            case UNAUTHENTICATED -> new UnauthenticatedException(message, "", "");
            case PERMISSION_DENIED -> new PermissionDeniedException(message, "", "");
            case INTERNAL, UNKNOWN ->
                new InternalException(
                        io.grpc.Status.fromCodeValue(code).getCode().name(), message);
            default -> null;
        };
    }

    private static MinkException wrongVersion(String message, Details details) {
        var violations = details.get(WrongExpectedVersion.getDefaultInstance()).getViolationsList().stream()
                .map(Errors::violation)
                .toList();
        return violations.isEmpty()
                ? new MinkException("WRONG_EXPECTED_VERSION", message)
                : new WrongExpectedVersionException(message, violations);
    }

    private static WrongExpectedVersionException.Violation violation(ExpectationViolation violation) {
        Expected expected = violation.hasExactVersion()
                ? Expected.version(violation.getExactVersion())
                : Expected.of(violation.getState());
        return new WrongExpectedVersionException.Violation(
                violation.getStream(), expected, violation.getActualVersion());
    }

    private static InvalidRequestException invalid(String reason, String message, Details details) {
        var violations = details.get(BadRequest.getDefaultInstance()).getFieldViolationsList().stream()
                .map(wrong -> new InvalidRequestException.Violation(wrong.getField(), wrong.getDescription()))
                .toList();
        return new InvalidRequestException(reason, message, violations);
    }

    private static Duration retryAfter(Details details) {
        RetryInfo retry = details.get(RetryInfo.getDefaultInstance());
        return retry.hasRetryDelay() ? Times.span(retry.getRetryDelay()) : null;
    }

    /** The details of a status, by type. */
    private record Details(List<Any> all) {
        /** The detail of a type; an empty one if there is none, or a damaged one. */
        <M extends Message> M get(M empty) {
            for (Any detail : all) {
                @SuppressWarnings("unchecked")
                Class<M> type = (Class<M>) empty.getClass();
                if (detail.is(type)) {
                    try {
                        return detail.unpack(type);
                    } catch (InvalidProtocolBufferException error) {
                        return empty;
                    }
                }
            }
            return empty;
        }
    }
}
