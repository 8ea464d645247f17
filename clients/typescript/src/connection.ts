/** The connection to a server: a gRPC channel, its options, and the calls over it. */

import { type DescMessage, type DescMethod, type MessageShape, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";

import type { Credentials } from "./credentials.js";
import { ClientClosed, type MinkError } from "./errors.js";
import type { Closing, Interrupts } from "./interrupts.js";
import { Messages } from "./messages.js";
import { fromRpc } from "./status.js";
import { type CallSpan, tracing } from "./tracing.js";
import { VERSION } from "./version.js";

const OPTIONS: Readonly<Record<string, string | number>> = {
  "grpc.primary_user_agent": `mink-client-typescript/${VERSION}`,
  // A peer that went away without a word is noticed within 40 seconds, also when no call is open.
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
  // A server that comes back is found again at once.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  // Each client has a connection of its own, and no other client's backoff.
  "grpc.use_local_subchannel_pool": 1,
  // How often and when to try again is decided here, and not by what stands in the DNS.
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
  // With HTTP/2's own 64 KB, catching up would wait for the way there and back after every 64 KB.
  "grpc-node.flow_control_window": 4 * 1024 * 1024,
};

/** Milliseconds that calls may go on over a connection that was made with certificates that have been renewed since. */
const OLD_CHANNEL_GRACE = 600_000;

/** A call that can be ended from outside. */
interface OpenCall {
  cancel(): void;
}

/** A gRPC channel, and what is open over it. */
class Channel {
  readonly client: Client;
  readonly calls = new Set<OpenCall>();

  constructor(target: string, credentials: Credentials) {
    this.client = new Client(target, credentials.channel, { ...OPTIONS, ...credentials.channelOptions });
  }

  /** Ends all calls, and the connection. */
  close(): void {
    for (const call of this.calls) {
      call.cancel();
    }
    this.client.close();
  }
}

/** A method of a service, with the path that gRPC calls it by. */
export interface Method<I extends DescMessage, O extends DescMessage> {
  readonly path: string;
  readonly input: I;
  readonly output: O;
}

/** The method that a generated description describes. */
export function methodOf<I extends DescMessage, O extends DescMessage>(
  described: DescMethod & { input: I; output: O },
): Method<I, O> {
  return { path: `/${described.parent.typeName}/${described.name}`, input: described.input, output: described.output };
}

const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * A channel, and the calls over it. When certificates are renewed, calls that begin go over a new channel; calls that are open stay on
 * the old one for at most ten minutes.
 */
export class Connection implements Closing {
  /** The server's address. */
  readonly target: string;
  /** The token that goes with each call, and TLS. */
  readonly credentials: Credentials;
  /** What calls end with after `close`. */
  closed: Error | undefined;
  readonly #listeners = new Set<(reason: Error) => void>();
  readonly #retiring = new Map<Channel, NodeJS.Timeout>();
  #channel: Channel | undefined;
  #tlsVersion = 0;

  constructor(target: string, credentials: Credentials) {
    this.target = target;
    this.credentials = credentials;
    tracing(); // loads OpenTelemetry, if it is there, now rather than within the first call
  }

  /** The version of the credentials with which a call would begin now. */
  get version(): number {
    return this.credentials.version;
  }

  /**
   * Makes one attempt at a call with one answer.
   *
   * @param timeoutMs - Milliseconds that it may take.
   * @throws MinkError - It failed.
   */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageShape<I>,
    timeoutMs: number,
    interrupts: Interrupts,
  ): Promise<MessageShape<O>> {
    const bytes = await this.unaryBytes(
      method.path,
      Buffer.from(toBinary(method.input, request)),
      timeoutMs,
      interrupts,
    );
    return fromBinary(method.output, bytes);
  }

  /**
   * The same, with the request and the answer as bytes.
   *
   * @param within - The span that the call is a part of; not given: it is a span of its own.
   */
  async unaryBytes(
    path: string,
    request: Buffer,
    timeoutMs: number,
    interrupts: Interrupts,
    within?: CallSpan,
  ): Promise<Buffer> {
    interrupts.check();
    const channel = this.#present();
    const span = within === undefined ? tracing()?.start(path, this.target) : undefined;
    const headers = this.#headers(within ?? span);
    try {
      const answer = await new Promise<Buffer>((resolve, reject) => {
        const deadline = Date.now() + timeoutMs;
        const call = channel.client.makeUnaryRequest(
          path,
          asIs,
          asIs,
          request,
          headers,
          { deadline },
          (error, value) => {
            channel.calls.delete(call);
            off();
            if (error !== null) {
              reject(fromRpc(error, this.target, request.length));
            } else {
              resolve(value ?? Buffer.alloc(0));
            }
          },
        );
        channel.calls.add(call);
        const off = interrupts.listen((reason) => {
          call.cancel();
          // It is what the caller's signal says.
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          reject(reason);
        });
      });
      span?.end();
      return answer;
    } catch (error) {
      span?.end(error);
      throw error;
    }
  }

  /**
   * Begins a call that answers with a stream.
   *
   * @param path - Its path.
   * @param request - Its request, as bytes.
   * @param spanned - Whether it is a span. One that never ends tells nothing.
   */
  stream(path: string, request: Buffer, spanned: boolean): Messages {
    const span = spanned ? tracing()?.start(path, this.target) : undefined;
    const channel = this.#present();
    const call = channel.client.makeServerStreamRequest(path, asIs, asIs, request, this.#headers(span));
    this.#track(channel, call);
    return new Messages(call, (error) => this.error(error), span);
  }

  /** Opens a call that many share: it carries nobody's trace. */
  session(path: string): ClientDuplexStream<Buffer, Buffer> {
    const open = (): ClientDuplexStream<Buffer, Buffer> => {
      const channel = this.#present();
      const call = channel.client.makeBidiStreamRequest(path, asIs, asIs, this.#authorized());
      this.#track(channel, call);
      return call;
    };
    return tracing()?.outside(open) ?? open();
  }

  /** What a failed call means. */
  error(error: ServiceError): MinkError {
    return fromRpc(error, this.target);
  }

  onClose(listener: (reason: Error) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Ends every call and the connection. */
  close(): void {
    if (this.closed !== undefined) {
      return;
    }
    this.closed = new ClientClosed("the client is closed");
    for (const listener of [...this.#listeners]) {
      listener(new ClientClosed("the client was closed while the call was under way"));
    }
    for (const [channel, timer] of this.#retiring) {
      clearTimeout(timer);
      channel.close();
    }
    this.#retiring.clear();
    this.#channel?.close();
  }

  #present(): Channel {
    if (this.closed !== undefined) {
      throw this.closed;
    }
    const { credentials } = this;
    credentials.look();
    if (this.#channel !== undefined && credentials.tlsVersion !== this.#tlsVersion) {
      this.#retire(this.#channel);
      this.#channel = undefined;
    }
    if (this.#channel === undefined) {
      this.#tlsVersion = credentials.tlsVersion;
      // The channel's timers and sockets serve all callers, and are in no caller's trace.
      const make = (): Channel => new Channel(this.target, credentials);
      this.#channel = tracing()?.outside(make) ?? make();
    }
    return this.#channel;
  }

  #retire(channel: Channel): void {
    channel.client.close(); // what is open over it goes on
    const timer = setTimeout(() => {
      this.#retiring.delete(channel);
      channel.close();
    }, OLD_CHANNEL_GRACE);
    timer.unref();
    this.#retiring.set(channel, timer);
  }

  #track(channel: Channel, call: OpenCall & NodeJS.EventEmitter): void {
    channel.calls.add(call);
    call.once("status", () => {
      channel.calls.delete(call);
      if (channel.calls.size === 0 && this.#retiring.has(channel)) {
        clearTimeout(this.#retiring.get(channel));
        this.#retiring.delete(channel);
      }
    });
  }

  #headers(span: CallSpan | undefined): Metadata {
    const headers = this.#authorized();
    if (span !== undefined) {
      span.carry(headers);
    } else {
      tracing()?.carry(headers);
    }
    return headers;
  }

  #authorized(): Metadata {
    const headers = new Metadata();
    const { authorization } = this.credentials;
    if (authorization !== undefined) {
      headers.set("authorization", authorization);
    }
    return headers;
  }
}
