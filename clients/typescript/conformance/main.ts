/** Runs the cases that the harness names, and reports what came of them. */

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { parse } from "yaml";

import { VERSION } from "../src/version.js";
import { Control } from "./control.js";
import { Scope } from "./scope.js";
import { runAll } from "./steps.js";
import { type Fields, RunnerError, type Value, fields, isFields, list, text } from "./values.js";
import { World } from "./world.js";

const CLIENT = "typescript";
const LIMIT = 60_000;

interface Result {
  file: string;
  name: string;
  passed: boolean;
  seconds: number;
  error?: string;
  skipped?: string;
}

function variable(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new RunnerError(`${name} is not set: the harness starts this program`);
  }
  return value;
}

function* cases(folder: string): Generator<[string, Fields]> {
  for (const name of readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()) {
    const parsed = parse(readFileSync(join(folder, name), "utf8"), { intAsBigInt: true }) as Value;
    for (const found of list(fields(parsed)["cases"])) {
      yield [basename(name, ".yaml"), fields(found)];
    }
  }
}

async function report(control: Control, file: string, found: Fields): Promise<Result> {
  const name = text(found["name"]);
  const unless = found["unless"];
  if (isFields(unless) && unless[CLIENT] !== undefined) {
    return { file, name, passed: true, seconds: 0, skipped: text(unless[CLIENT]) };
  }
  const begin = performance.now();
  let error: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new RunnerError(`it took more than ${LIMIT / 1000} s`));
    }, LIMIT);
  });
  try {
    await Promise.race([run(control, file, found), late]);
  } catch (failure) {
    // Whatever it is, the other cases are run.
    error = failure instanceof Error ? failure.message || failure.name : String(failure);
    console.error(`${file}: ${name}: ${error}`);
  } finally {
    clearTimeout(timer);
  }
  const seconds = Math.round(performance.now() - begin) / 1000;
  return { file, name, passed: error === undefined, seconds, ...(error === undefined ? {} : { error }) };
}

async function run(control: Control, file: string, found: Fields): Promise<void> {
  const server = found["server"] ?? "plain";
  const scope = Scope.ofCase(await control.ask("case", { file, name: found["name"] ?? null, server }));
  const world = new World(control, scope, fields(found["client"] ?? {}));
  try {
    await runAll(found["steps"], world, scope);
  } finally {
    await world.close();
  }
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const control = new Control(variable("MINK_CONFORMANCE_CONTROL"));
const only = process.env["MINK_CONFORMANCE_ONLY"] ?? "";
const results: Result[] = [];
for (const [file, found] of cases(variable("MINK_CONFORMANCE_CASES"))) {
  if (`${file}: ${text(found["name"])}`.includes(only)) {
    results.push(await report(control, file, found));
  }
}
writeFileSync(variable("MINK_CONFORMANCE_RESULTS"), JSON.stringify({ client: CLIENT, version: VERSION, results }));
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
