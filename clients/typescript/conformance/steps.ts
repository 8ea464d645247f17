/** Runs the steps of a case. */

import { setTimeout as sleep } from "node:timers/promises";

import { replaced } from "./braces.js";
import { filters } from "./given.js";
import { Mismatch, match, saved } from "./matching.js";
import * as operations from "./operations.js";
import { Scope } from "./scope.js";
import * as told from "./told.js";
import { type Fields, RunnerError, type Value, fields, list, number, shown, text } from "./values.js";
import type { World } from "./world.js";

const BESIDE = ["by", "returns", "fails"];

/** A step did not go as the case says. The text has its number. */
export class StepError extends Error {}

/**
 * Runs steps one after the other.
 *
 * @param before - The number of the step that these are part of, with a dot.
 * @throws StepError - One of them did not go as the case says.
 */
export async function runAll(steps: Value | undefined, world: World, scope: Scope, before = ""): Promise<void> {
  for (const [index, step] of list(steps).entries()) {
    await run(fields(step), world, scope, `${before}${index + 1}`);
  }
}

async function run(step: Fields, world: World, scope: Scope, number: string): Promise<void> {
  const operation = Object.keys(step).find((key) => !BESIDE.includes(key)) ?? "nothing";
  try {
    if (operation === "repeat") {
      await repeat(fields(step[operation]), world, scope, number);
    } else if (operation === "together") {
      await together(list(step[operation]), world, scope, number);
    } else {
      await one(operation, step, world, scope);
    }
  } catch (error) {
    if (error instanceof Mismatch || error instanceof RunnerError) {
      throw new StepError(`step ${number} (${operation}): ${error.message}`);
    }
    throw error;
  }
}

async function repeat(said: Fields, world: World, scope: Scope, before: string): Promise<void> {
  const times = number(replaced(said["times"] ?? null, scope.known));
  const atOnce = number(replaced(said["at_once"] ?? 1n, scope.known));
  let next = 1;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next <= times && !failed) {
      const inner = new Scope(scope, next++);
      try {
        await runAll(said["steps"], world, inner, `${before}.`);
      } catch (error) {
        failed = true;
        throw error;
      }
      inner.giveOut();
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, lane));
}

async function together(lists: Value[], world: World, scope: Scope, before: string): Promise<void> {
  const inner = lists.map(() => new Scope(scope));
  await Promise.all(inner.map((one, index) => runAll(lists[index], world, one, `${before}.${index + 1}.`)));
  inner.forEach((one) => {
    one.giveOut();
  });
}

async function one(operation: string, step: Fields, world: World, scope: Scope): Promise<void> {
  const { returns, fails } = step;
  let came: Fields;
  try {
    came = await perform(operation, step, world, scope);
  } catch (error) {
    if (error instanceof RunnerError || !(error instanceof Error)) {
      throw error;
    }
    const about = `${error.name}: ${error.message}`;
    if (fails === undefined) {
      throw new Mismatch(`expected that it succeeds, came ${shown(told.error(error))}: ${about}`);
    }
    compare(fails, told.error(error), scope, `; the error is ${about}`);
    return;
  }
  if (fails !== undefined) {
    throw new Mismatch(`expected that it fails with ${shown(fails)}, came ${shown(came)}`);
  }
  if (returns !== undefined) {
    compare(returns, came, scope, "");
  }
}

function compare(says: Value, came: Fields, scope: Scope, about: string): void {
  scope.keep(saved(says, came));
  try {
    match(says, came, scope.known);
  } catch (error) {
    throw error instanceof Mismatch ? new Mismatch(`${error.message}${about}`) : error;
  }
}

async function perform(operation: string, step: Fields, world: World, scope: Scope): Promise<Fields> {
  const said = fields(step[operation]);
  const by = text(replaced(step["by"] ?? "main", scope.known));
  if (operation === "append") {
    // Events of which there are many have words in braces of their own.
    const { events = [], ...others } = said;
    const known = fields(replaced(others, scope.known));
    return operations.append(world.client(by), { ...known, events }, scope);
  }
  if (operation === "append_many") {
    return operations.appendMany(world.client(by), said, scope);
  }
  const known = fields(replaced(said, scope.known));
  const onClient = operations.ON_CLIENT[operation];
  if (onClient !== undefined) {
    return onClient(world.client(by), known);
  }
  const other = OTHERS[operation];
  if (other === undefined) {
    throw new RunnerError(`there is no operation ${JSON.stringify(operation)}`);
  }
  return other(world, known, by);
}

type Other = (world: World, said: Fields, by: string) => Promise<Fields> | Fields;

const OTHERS: Readonly<Record<string, Other>> = {
  subscribe: (world, said, by) => {
    const options = {
      ...filters(said),
      ...operations.some(said, { after: "after", from_end: "fromEnd", log_id: "logId" }),
      ...(said["silence_timeout"] === undefined ? {} : { silenceTimeoutMs: number(said["silence_timeout"]) * 1000 }),
    };
    world.subscribe(text(said["as"]), world.client(by).subscribeAll(options));
    return {};
  },
  next: (world, said) => world.subscription(text(said["of"])).next(number(said["count"])),
  caught_up: (world, said) => world.subscription(text(said["of"])).caughtUp(),
  quiet: (world, said) => world.subscription(text(said["of"])).quiet(number(said["for"])),
  ended: (world, said) => world.subscription(text(said["of"])).ended(),
  unsubscribe: (world, said) => {
    world.subscription(text(said["of"])).close();
    return {};
  },
  client: (world, said) => {
    world.newClient(text(said["as"] ?? "main"), said);
    return {};
  },
  write_file: (world, said) => {
    world.writeFile(text(said["name"]), text(said["text"]));
    return {};
  },
  pause: async (_, said) => {
    await sleep(number(said["seconds"]) * 1000);
    return {};
  },
  server: (world, said) => world.control.ask("server", said),
  database: (world, said) => world.control.ask("database", said),
  fault: (world, said) => world.control.ask("fault", said),
  seen: (world, said) => world.control.ask("seen", said),
};
