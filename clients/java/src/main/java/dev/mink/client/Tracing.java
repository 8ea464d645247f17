package dev.mink.client;

import io.grpc.Metadata;
import java.util.Map;

/** Traces, as far as this package uses them. What stands behind it is loaded only where the process has OpenTelemetry. */
interface Tracing {
    /** The name in an event's metadata that says which trace its append belongs to. */
    String TRACEPARENT = "traceparent";

    /** No traces. */
    Tracing NONE = new Tracing() {
        @Override
        public Object context() {
            return null;
        }

        @Override
        public CallSpan start(String method, Object context) {
            return CallSpan.NONE;
        }
    };

    /** The context of the caller, to be handed to {@link #start} from another thread; null: none. */
    Object context();

    /**
     * Begins the span of a call.
     *
     * @param method the call. Example: {@code mink.v1.EventStore/GetStream}
     * @param context the context of the caller
     */
    CallSpan start(String method, Object context);

    /** The span of a call. */
    interface CallSpan {
        /** No span. */
        CallSpan NONE = new CallSpan() {
            @Override
            public void carry(Metadata headers) {}

            @Override
            public Map<String, String> forEvents() {
                return Map.of();
            }

            @Override
            public void end(Throwable error) {}
        };

        /** Adds what the process's propagators say of it to what goes with a call. */
        void carry(Metadata headers);

        /** What goes into the metadata of events: {@code traceparent}, and {@code tracestate} if there is one. */
        Map<String, String> forEvents();

        /**
         * Ends it.
         *
         * @param error what the call failed with; null: it succeeded. Its message stays out of the trace
         */
        void end(Throwable error);

        /** The same span for one attempt of several: it does not end with it. */
        default CallSpan attempt() {
            CallSpan whole = this;
            return new CallSpan() {
                @Override
                public void carry(Metadata headers) {
                    whole.carry(headers);
                }

                @Override
                public Map<String, String> forEvents() {
                    return whole.forEvents();
                }

                @Override
                public void end(Throwable error) {}
            };
        }
    }
}
