/** What a connection shows of itself: the token that goes with each call, and TLS; both renewed when what they come from changes. */

import { statSync } from "node:fs";

import { ChannelCredentials } from "@grpc/grpc-js";

import { isLoopback } from "./address.js";
import { CredentialsError } from "./errors.js";
import type { Logger } from "./log.js";
import type { Tls } from "./tls.js";
import { type TokenSource, checkedToken, readToken } from "./tokens.js";

const LOOK_EVERY = 1000; // milliseconds between two looks at the files
const PATIENCE = 10_000; // milliseconds that a token may take to be fetched

/** What credentials are made of. */
export interface CredentialsOptions {
  /** The server's address. */
  readonly target: string;
  /** How to speak TLS; undefined: not at all. */
  readonly tls: Tls | undefined;
  /** The token, or what fetches it. */
  readonly token: TokenSource | undefined;
  /** Where the token stands. */
  readonly tokenFile: string | undefined;
  /** Whether the token may go to another machine without TLS. */
  readonly insecureToken: boolean;
  /** Where to say what is wrong with a file that was changed. */
  readonly log: Logger;
}

/** The token and the certificates of one client. */
export class Credentials {
  readonly #target: string;
  readonly #tls: Tls | undefined;
  readonly #tokenFile: string | undefined;
  readonly #fetch: (() => string | Promise<string>) | undefined;
  readonly #log: Logger;
  readonly #hasFiles: boolean;
  #fetching: Promise<void> | undefined;
  #token: string | undefined;
  #channel: ChannelCredentials;
  #version = 0;
  #tlsVersion = 0;
  #lookAt: number;
  #tokenSeen: string;
  #tlsSeen: string;
  #complaint = "";

  /**
   * Takes what was given, and checks what can be checked now.
   *
   * @throws CredentialsError - Something cannot be used, or the token would go to another machine in clear.
   */
  constructor({ target, tls, token, tokenFile, insecureToken, log }: CredentialsOptions) {
    const hasToken = token !== undefined || tokenFile !== undefined;
    if (hasToken && tls === undefined && !insecureToken && !isLoopback(target)) {
      const problem = `the token would go to ${target} in clear: turn TLS on; or allow it, if something else encrypts the way`;
      throw new CredentialsError("insecureToken", problem);
    }
    this.#target = target;
    this.#tls = tls;
    this.#tokenFile = tokenFile;
    this.#fetch = typeof token === "function" ? token : undefined;
    this.#log = log;
    this.#hasFiles = tokenFile !== undefined || (tls !== undefined && tls.files.length > 0);
    this.#lookAt = performance.now() + LOOK_EVERY;
    // Before they are read: what changes meanwhile is then read again.
    this.#tokenSeen = fingerprint(tokenFile === undefined ? [] : [tokenFile]);
    this.#tlsSeen = fingerprint(tls?.files ?? []);
    this.#channel = tls?.credentials() ?? ChannelCredentials.createInsecure();
    if (tokenFile !== undefined) {
      this.#take(readToken(tokenFile));
    } else if (token !== undefined && this.#fetch === undefined) {
      this.#take(checkedToken(token));
    }
  }

  /** The value of the header `authorization`; undefined: none. */
  get authorization(): string | undefined {
    return this.#token;
  }

  /** Grows whenever the token or the certificates have changed. Looks at the files, if nobody has just done so. */
  get version(): number {
    this.look();
    return this.#version;
  }

  /** Grows whenever the certificates have changed. */
  get tlsVersion(): number {
    return this.#tlsVersion;
  }

  /** What a channel is made with. */
  get channel(): ChannelCredentials {
    return this.#channel;
  }

  /** The options of a channel that go with them. */
  get channelOptions(): Record<string, string | number> {
    if (this.#tls === undefined) {
      // What is on this machine is not reached through a proxy; and a proxy would see the token.
      return isLoopback(this.#target) ? { "grpc.enable_http_proxy": 0 } : {};
    }
    const name = this.#tls.serverName;
    const proxy: Record<string, number> = isLoopback(this.#target) ? { "grpc.enable_http_proxy": 0 } : {};
    return name === undefined ? proxy : { ...proxy, "grpc.ssl_target_name_override": name };
  }

  /** Whether the token is there. If not, `open` fetches it. */
  get isOpen(): boolean {
    return this.#fetch === undefined || this.#token !== undefined;
  }

  /**
   * Fetches the token, if something fetches it and it is not there yet.
   *
   * @throws CredentialsError - What came is no token, or nothing came in time.
   */
  async open(): Promise<void> {
    if (!this.isOpen) {
      await this.#fetchOnce();
    }
  }

  /**
   * Gets another token, if there is one, after the server refused the present one.
   *
   * @param version - The version that was refused.
   * @returns Whether there are other credentials now, so that trying again makes sense.
   */
  async renew(version: number): Promise<boolean> {
    if (this.#version === version) {
      this.look(true);
    }
    if (this.#version === version && this.#fetch !== undefined) {
      try {
        await this.#fetchOnce();
      } catch (error) {
        // Whatever somebody else's function threw; the caller gets the server's answer.
        this.#log.warn(`no new token could be fetched: ${error instanceof Error ? error.name : typeof error}`);
      }
    }
    return this.#version !== version;
  }

  /** Many callers may need a new token at once; it is fetched once. */
  #fetchOnce(): Promise<void> {
    this.#fetching ??= this.#fetched().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetched(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new CredentialsError("token", `it was not fetched within ${PATIENCE / 1000} s`));
      }, PATIENCE);
    });
    try {
      this.#take(checkedToken(await Promise.race([this.#fetch?.(), late]), "what was fetched"));
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Takes what has changed in the files. One that cannot be used is passed over, and looked at again.
   *
   * @param now - Also if somebody has just looked.
   */
  look(now = false): void {
    if (!this.#hasFiles || (!now && performance.now() < this.#lookAt)) {
      return;
    }
    this.#lookAt = performance.now() + LOOK_EVERY;
    try {
      this.#lookAtToken();
      this.#lookAtCertificates();
      this.#complaint = "";
    } catch (error) {
      if (!(error instanceof CredentialsError)) {
        throw error;
      }
      if (error.message !== this.#complaint) {
        this.#complaint = error.message;
        this.#log.warn(`credentials stay as they were: ${error.message}`);
      }
    }
  }

  #lookAtToken(): void {
    if (this.#tokenFile === undefined) {
      return;
    }
    const seen = fingerprint([this.#tokenFile]);
    if (seen !== this.#tokenSeen) {
      this.#take(readToken(this.#tokenFile));
      this.#tokenSeen = seen;
    }
  }

  #lookAtCertificates(): void {
    if (this.#tls === undefined) {
      return;
    }
    const seen = fingerprint(this.#tls.files);
    if (seen !== this.#tlsSeen) {
      this.#channel = this.#tls.credentials();
      this.#tlsSeen = seen;
      this.#version++;
      this.#tlsVersion++;
    }
  }

  #take(token: string): void {
    const authorization = `Bearer ${token}`;
    if (authorization !== this.#token) {
      this.#token = authorization;
      this.#version++;
    }
  }
}

/** What changes when one of the files does. */
function fingerprint(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
        return stat === undefined ? "-" : `${stat.mtimeNs} ${stat.ino} ${stat.size}`;
      } catch (error) {
        return String(error);
      }
    })
    .join("\n");
}
