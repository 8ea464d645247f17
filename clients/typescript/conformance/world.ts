/** What a case has: its clients, subscriptions and files. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Mink, Subscription } from "../src/index.js";
import { replaced } from "./braces.js";
import type { Control } from "./control.js";
import { Followed } from "./following.js";
import * as given from "./given.js";
import type { Scope } from "./scope.js";
import { type Fields, RunnerError, fields, text } from "./values.js";

/** Everything of one case; at its end all of it is closed. */
export class World {
  readonly control: Control;
  readonly scope: Scope;
  readonly #options: Fields;
  readonly #made: Mink[] = [];
  readonly #clients = new Map<string, Mink>();
  readonly #subscriptions = new Map<string, Followed>();
  #folder: string | undefined;

  /**
   * @param control - The harness.
   * @param scope - What names stand for.
   * @param options - The options of the client `main`, as the case says them.
   */
  constructor(control: Control, scope: Scope, options: Fields) {
    this.control = control;
    this.scope = scope;
    this.#options = options;
  }

  /** Closes everything. */
  async close(): Promise<void> {
    for (const subscription of this.#subscriptions.values()) {
      subscription.close();
    }
    await Promise.all(this.#made.map((client) => client.close()));
    if (this.#folder !== undefined) {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** Makes a client. One that has the name already stays open until the case's end. */
  newClient(name: string, options: Fields): void {
    const client = given.client(options, text(this.scope.known("address")));
    this.#made.push(client);
    this.#clients.set(name, client);
  }

  /** A client; `main` is made when it is used first. */
  client(name: string): Mink {
    if (name === "main" && !this.#clients.has(name)) {
      this.newClient(name, fields(replaced(this.#options, this.scope.known)));
    }
    const client = this.#clients.get(name);
    if (client === undefined) {
      throw new RunnerError(`the case has made no client ${JSON.stringify(name)}`);
    }
    return client;
  }

  /** Keeps a subscription. One that has the name already is closed. */
  subscribe(name: string, subscription: Subscription): void {
    this.#subscriptions.get(name)?.close();
    this.#subscriptions.set(name, new Followed(subscription));
  }

  /** A subscription. */
  subscription(name: string): Followed {
    const subscription = this.#subscriptions.get(name);
    if (subscription === undefined) {
      throw new RunnerError(`the case has made no subscription ${JSON.stringify(name)}`);
    }
    return subscription;
  }

  /** Writes a file, whose path is then `${file:name}`. */
  writeFile(name: string, content: string): void {
    this.#folder ??= mkdtempSync(join(tmpdir(), "mink-case-"));
    const path = join(this.#folder, name);
    writeFileSync(path, content);
    chmodSync(path, 0o600);
    this.scope.keep({ [`file:${name}`]: path });
  }
}
