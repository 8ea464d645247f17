/** What the names in braces stand for, within one case. */

import { randomBytes, randomUUID } from "node:crypto";

import { type Fields, RunnerError, type Value, isFields } from "./values.js";

/** Names and values of a case, or of one of several lists of its steps that run at the same time. */
export class Scope {
  readonly #outer: Scope | undefined;
  readonly #number: number | undefined;
  readonly #names = new Map<string, Value>();

  /**
   * @param outer - The scope around it, whose names count here too.
   * @param number - What `${i}` is; not given: what it is in the scope around.
   */
  constructor(outer?: Scope, number?: number) {
    this.#outer = outer;
    this.#number = number;
  }

  /**
   * The scope of a case.
   *
   * @param told - What the harness has told of the case's server.
   */
  static ofCase(told: Fields): Scope {
    const scope = new Scope();
    scope.keep({ case: randomBytes(5).toString("hex") });
    for (const [name, value] of Object.entries(told)) {
      if (name === "tokens" && isFields(value)) {
        scope.keep(Object.fromEntries(Object.entries(value).map(([who, token]) => [`token:${who}`, token])));
      } else {
        scope.keep({ [name]: value });
      }
    }
    return scope;
  }

  /** Keeps values by name. */
  keep(values: Fields): void {
    for (const [name, value] of Object.entries(values)) {
      this.#names.set(name, value);
    }
  }

  /** Gives what was kept here to the scope around. */
  giveOut(): void {
    this.#outer?.keep(Object.fromEntries(this.#names));
  }

  /** What a name stands for. */
  readonly known = (name: string): Value => {
    if (name === "i" && this.#number !== undefined) {
      return BigInt(this.#number);
    }
    const value = this.#names.get(name);
    if (value !== undefined) {
      return value;
    }
    if (this.#outer !== undefined) {
      return this.#outer.known(name);
    }
    if (name.startsWith("uuid:")) {
      const made = randomUUID();
      this.#names.set(name, made);
      return made;
    }
    throw new RunnerError(`nothing is known by the name ${JSON.stringify(name)}`);
  };
}
