/** What the runner asks the harness for. */

import { type Fields, RunnerError } from "./values.js";

const LIMIT = 55_000;

/** The harness. */
export class Control {
  readonly #url: string;

  /** @param url - Where it serves. */
  constructor(url: string) {
    this.#url = url;
  }

  /** Asks for something, and waits until it is done. */
  async ask(path: string, body: Fields): Promise<Fields> {
    const answer = await fetch(`${this.#url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      // What the harness is asked has no number beyond 2^53.
      body: JSON.stringify(body, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)),
      signal: AbortSignal.timeout(LIMIT),
    });
    if (!answer.ok) {
      throw new RunnerError(`/${path}: ${await answer.text()}`);
    }
    return (await answer.json()) as Fields;
  }
}
