/** A small server over a real socket, to see what the client does when a server answers, fails, breaks off, or is silent. */

import { type MessageInitShape, type MessageShape, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";

import { ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../src/gen/google/rpc/status_pb.js";
import {
  type AppendSessionRequest,
  AppendSessionResponseSchema,
  EventStore,
  type SessionAppend,
  SubscribeAllResponseSchema,
} from "../src/gen/mink/v1/event_store_pb.js";
import { FailureSchema } from "../src/gen/mink/v1/errors_pb.js";
import { Snapshots } from "../src/gen/mink/v1/snapshots_pb.js";
import { Mink, type MinkOptions } from "../src/index.js";

/** A call as a handler sees it: its headers, and whether the client has ended it. */
export interface Call {
  readonly headers: grpc.Metadata;
  readonly cancelled: () => boolean;
  readonly onCancel: (listener: () => void) => void;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: Call,
) => MessageInitShape<O> | Promise<MessageInitShape<O>>;
type Streaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: Call,
) => AsyncIterable<MessageInitShape<O>>;
type Methods = typeof EventStore.method & typeof Snapshots.method;
export type SessionHandler = (
  request: AppendSessionRequest,
  answer: (...results: MessageInitShape<typeof AppendSessionResponseSchema>["results"] & object) => void,
  call: Call,
) => void | Promise<void>;

/** What a server does, by method; a method without a handler is UNIMPLEMENTED. */
export type Handlers = {
  [Name in Exclude<keyof Methods, "appendSession">]?: Methods[Name] extends { methodKind: "unary" }
    ? Unary<Methods[Name]["input"], Methods[Name]["output"]>
    : Streaming<Methods[Name]["input"], Methods[Name]["output"]>;
} & { appendSession?: SessionHandler };

const asIs = (bytes: Buffer): Buffer => bytes;

/** A failure to throw in a handler: a gRPC status, with details if they are given. */
export class Refusal extends Error {
  constructor(
    readonly code: grpc.status,
    readonly status?: Status,
  ) {
    super(status?.message ?? "refused");
  }

  get metadata(): grpc.Metadata {
    const metadata = new grpc.Metadata();
    if (this.status !== undefined) {
      metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, this.status)));
    }
    return metadata;
  }
}

/** A status with a reason and details. */
export function status(
  reason: string,
  code: grpc.status,
  details: { schema: DescMessage; value: MessageShape<DescMessage> }[] = [],
  domain = "mink",
): Status {
  const info = create(ErrorInfoSchema, { reason, domain });
  return create(StatusSchema, {
    code,
    message: "words for people",
    details: [anyPack(ErrorInfoSchema, info), ...details.map(({ schema, value }) => anyPack(schema, value))],
  });
}

/** A detail that asks to wait. */
export function retryInfo(milliseconds: number): { schema: DescMessage; value: MessageShape<DescMessage> } {
  return { schema: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay: durationFromMs(milliseconds) }) };
}

/** A result of a session that says that an append was made. */
export function done(
  append: SessionAppend,
  position = 1n,
): MessageInitShape<typeof AppendSessionResponseSchema>["results"] extends (infer R)[] | undefined ? R : never {
  return {
    requestId: append.requestId,
    result: {
      case: "toStream",
      value: { version: 1n, firstPosition: position, lastPosition: position },
    },
  };
}

/** A result of a session that says that an append failed. */
export function failed(append: SessionAppend, why: Status): ReturnType<typeof done> {
  return {
    requestId: append.requestId,
    result: { case: "failure", value: fromBinary(FailureSchema, toBinary(StatusSchema, why)) },
  };
}

/** The events of a batch: one for each position. */
export function events(...positions: number[]): {
  position: bigint;
  version: bigint;
  id: string;
  stream: string;
  type: string;
  payload: { case: "json"; value: string };
}[] {
  return positions.map((position) => ({
    position: BigInt(position),
    version: BigInt(position),
    id: `id-${position}`,
    stream: "Order-1",
    type: "OrderPlaced",
    payload: { case: "json", value: "{}" },
  }));
}

/** A message of a subscription with events. */
export function batch(...positions: number[]): MessageInitShape<typeof SubscribeAllResponseSchema> {
  const position = BigInt(positions.at(-1) ?? 0);
  return { message: { case: "events", value: { events: events(...positions), position } } };
}

/** A checkpoint. */
export function checkpoint(position: number, head = position): MessageInitShape<typeof SubscribeAllResponseSchema> {
  return { message: { case: "checkpoint", value: { position: BigInt(position), head: BigInt(head), logId: "log" } } };
}

/** Never ends by itself. */
export async function forever(call: Call): Promise<void> {
  await new Promise<void>((resolve) => {
    call.onCancel(resolve);
  });
}

/** A server whose handlers may be changed while it runs. */
export class FakeServer implements AsyncDisposable {
  handlers: Handlers;
  /** How many calls of a method have begun. */
  readonly calls = new Map<string, number>();
  readonly #server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  readonly #clients: Mink[] = [];
  address = "";

  private constructor(handlers: Handlers) {
    this.handlers = handlers;
  }

  /** Starts a server at a port that the system chooses, or at a given one. */
  static async start(
    handlers: Handlers,
    { credentials = grpc.ServerCredentials.createInsecure(), port = 0 } = {},
  ): Promise<FakeServer> {
    const fake = new FakeServer(handlers);
    for (const service of [EventStore, Snapshots]) {
      for (const method of service.methods) {
        fake.#add(method);
      }
    }
    const bound = await new Promise<number>((resolve, reject) => {
      fake.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, port) => {
        if (error === null) {
          resolve(port);
        } else {
          reject(error);
        }
      });
    });
    fake.address = `localhost:${bound}`;
    return fake;
  }

  /** A client of it, which is closed with it. */
  client(options: MinkOptions = {}): Mink {
    const mink = new Mink(this.address, {
      timeoutMs: 5000,
      logger: { warn: () => undefined, info: () => undefined },
      ...options,
    });
    this.#clients.push(mink);
    return mink;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((mink) => mink.close()));
    this.stop();
  }

  /** Breaks all connections. */
  stop(): void {
    this.#server.forceShutdown();
  }

  #add(method: DescMethod): void {
    const path = `/${method.parent.typeName}/${method.name}`;
    const about = {
      path,
      requestStream: method.methodKind === "bidi_streaming",
      responseStream: method.methodKind !== "unary",
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    const name = method.localName as keyof Handlers;
    const handle =
      method.methodKind === "unary"
        ? (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>): void => {
            this.#unary(name, method, call).then(
              (value) => {
                answer(null, value);
              },
              (error: unknown) => {
                answer(failure(error));
              },
            );
          }
        : method.methodKind === "server_streaming"
          ? (call: grpc.ServerWritableStream<Buffer, Buffer>): void => {
              this.#stream(name, method, call).catch((error: unknown) => {
                call.emit("error", failure(error));
              });
            }
          : (call: grpc.ServerDuplexStream<Buffer, Buffer>): void => {
              this.#session(method, call);
            };
    this.#server.addService({ [method.name]: about }, { [method.name]: handle as grpc.UntypedHandleCall });
  }

  #begin(name: string, call: NodeJS.EventEmitter & { metadata: grpc.Metadata; cancelled: boolean }): Call {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    return {
      headers: call.metadata,
      cancelled: () => call.cancelled,
      onCancel: (listener) => {
        call.on("cancelled", listener);
      },
    };
  }

  async #unary(name: keyof Handlers, method: DescMethod, call: grpc.ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> {
    const about = this.#begin(name, call);
    const handler = this.handlers[name] as Unary<DescMessage, DescMessage> | undefined;
    if (handler === undefined) {
      throw new Refusal(grpc.status.UNIMPLEMENTED);
    }
    const answer = await handler(fromBinary(method.input, call.request), about);
    return Buffer.from(toBinary(method.output, create(method.output, answer)));
  }

  async #stream(
    name: keyof Handlers,
    method: DescMethod,
    call: grpc.ServerWritableStream<Buffer, Buffer>,
  ): Promise<void> {
    const about = this.#begin(name, call);
    const handler = this.handlers[name] as Streaming<DescMessage, DescMessage> | undefined;
    if (handler === undefined) {
      throw new Refusal(grpc.status.UNIMPLEMENTED);
    }
    for await (const answer of handler(fromBinary(method.input, call.request), about)) {
      if (!call.write(Buffer.from(toBinary(method.output, create(method.output, answer)))) && !call.cancelled) {
        await new Promise<void>((resolve) => {
          call.once("drain", resolve);
          call.once("cancelled", resolve);
        });
      }
    }
    call.end();
  }

  #session(method: DescMethod, call: grpc.ServerDuplexStream<Buffer, Buffer>): void {
    const about = this.#begin("appendSession", call);
    call.on("data", (bytes: Buffer) => {
      const answer: Parameters<SessionHandler>[1] = (...results) => {
        const response = create(AppendSessionResponseSchema, { results });
        call.write(Buffer.from(toBinary(AppendSessionResponseSchema, response)));
      };
      const handle = async (): Promise<void> =>
        this.handlers.appendSession?.(fromBinary(method.input, bytes) as AppendSessionRequest, answer, about);
      handle().catch((error: unknown) => {
        call.emit("error", failure(error));
      });
    });
    call.on("end", () => {
      call.end();
    });
  }
}

function failure(error: unknown): grpc.ServiceError {
  if (error instanceof Refusal) {
    return Object.assign(new Error(error.message), {
      code: error.code,
      details: error.message,
      metadata: error.metadata,
    });
  }
  return Object.assign(new Error(String(error)), {
    code: grpc.status.UNKNOWN,
    details: String(error),
    metadata: new grpc.Metadata(),
  });
}
