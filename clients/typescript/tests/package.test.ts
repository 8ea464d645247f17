/** The package as users get it: packed, installed into a folder of its own, and used there as the README says, with a real server. */

import assert from "node:assert/strict";
import { type ChildProcess, type ExecFileSyncOptionsWithStringEncoding, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const HOME = join(import.meta.dirname, "../..");
const MINK = process.env["MINK_COMMAND"] ?? join(HOME, "../../.venv/bin/mink");

/** A Mink on an embedded Postgres of its own. */
class Server {
  readonly #process: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), "mink-package-"));
  address = "";
  #said = "";

  constructor() {
    // Postgres runs as another user where this runs as root.
    chmodSync(this.#folder, 0o755);
    this.#process = spawn(MINK, ["serve"], {
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        MINK_LISTEN: "127.0.0.1:0",
        MINK_HTTP_LISTEN: "127.0.0.1:0",
        MINK_METRICS_LISTEN: "127.0.0.1:0",
        MINK_DATA_DIR: join(this.#folder, "data"),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process.stderr?.on("data", (data: Buffer) => {
      this.#said += data.toString();
    });
  }

  async start(): Promise<void> {
    const end = performance.now() + 60_000;
    while (this.address === "") {
      await sleep(50);
      assert(performance.now() < end && this.#process.exitCode === null, `the server did not start: ${this.#said}`);
      this.address = /gRPC +(\S+)/.exec(this.#said)?.[1] ?? "";
    }
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, "exit");
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A folder of a user's, with the packed client in it, what it depends on, and nothing else. */
function install(): string {
  const folder = mkdtempSync(join(tmpdir(), "mink-user-"));
  const npm: ExecFileSyncOptionsWithStringEncoding = { cwd: HOME, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] };
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], npm)) as [
    { filename: string; files: { path: string }[] },
  ];
  const files = packed.files.map(({ path }) => path);
  assert(files.includes("dist/index.js") && files.includes("dist/index.d.ts") && files.includes("README.md"));
  assert(!files.some((path) => /test|node_modules|conformance|bench/.test(path)), files.join());

  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@mink-es/client"), { recursive: true });
  const archive = join(folder, packed.filename);
  execFileSync("tar", ["-xzf", archive, "--strip-components=1", "-C", join(modules, "@mink-es/client")]);
  const { dependencies } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8")) as { dependencies: object };
  for (const name of [...Object.keys(dependencies), "@types/node"]) {
    mkdirSync(join(modules, name.split("/")[0] ?? ""), { recursive: true });
    symlinkSync(join(HOME, "node_modules", name), join(modules, name), "dir");
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  return folder;
}

/** Compiles a program as a user would who is strict, without looking away from the types of what is installed. */
function compile(folder: string, name: string, source: string): void {
  writeFileSync(join(folder, `${name}.ts`), source);
  const options = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck", "false"];
  const target = ["--target", "es2022", "--module", "nodenext", "--lib", "es2022", "--types", "node"];
  const tsc = join(HOME, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, ...options, ...target, `${name}.ts`], { cwd: folder, encoding: "utf8" });
  } catch (error) {
    assert.fail(String((error as { stdout?: string }).stdout));
  }
}

function blocks(): string[] {
  const page = readFileSync(join(HOME, "README.md"), "utf8");
  return [...page.matchAll(/^```(?:ts)?\n([^]*?)^```$/gm)].map(([, block]) => block ?? "");
}

const noServer = existsSync(MINK) ? false : `there is no ${MINK}: run make env, or set MINK_COMMAND`;
if (noServer && process.env["CI"] === "true") {
  throw new Error(noServer);
}

let folder = "";
const server = noServer ? undefined : new Server();
before(async () => {
  folder = install();
  await server?.start();
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("the first example of the README runs as printed, and prints what it says", { skip: noServer }, () => {
  const [, example = "", printed] = blocks();
  assert.match(example, /^import { Mink/);
  compile(folder, "example", example);
  const env = { ...process.env, MINK_SERVER: server?.address };
  const out = execFileSync(process.execPath, ["example.js"], { cwd: folder, env, encoding: "utf8", timeout: 20_000 });
  assert.equal(out, printed);
});

test("the example program counts, keeps its place, and goes on from there", { skip: noServer }, async () => {
  compile(folder, "follow", readFileSync(join(HOME, "examples/follow.ts"), "utf8"));
  const env = { ...process.env, MINK_SERVER: server?.address };
  const append = (number: number): void => {
    const program = `import { Mink, jsonEvent } from "@mink-es/client";
      const mink = new Mink();
      await mink.append("Order-f${number}", [jsonEvent("OrderPlaced", { sku: "F", qty: ${number} })], { expected: 0 });
      await mink.close();`;
    execFileSync(process.execPath, ["--input-type=module", "--eval", program], { cwd: folder, env });
  };
  for (const [number, total] of [
    [2, 2],
    [3, 5],
  ] as const) {
    append(number);
    const follow = spawn(process.execPath, ["follow.js", "sold.json"], { cwd: folder, env });
    let said = "";
    follow.stdout.on("data", (data: Buffer) => {
      said += data.toString();
    });
    follow.stderr.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const end = performance.now() + 20_000;
    while (!said.includes(`F: ${total}`)) {
      await sleep(20);
      assert(performance.now() < end, said);
    }
    const ended = once(follow, "exit");
    follow.kill("SIGINT");
    assert.deepEqual(await ended, [0, null]);
    const kept = JSON.parse(readFileSync(join(folder, "sold.json"), "utf8")) as { articles: unknown; logId: string };
    assert.deepEqual((kept.articles as Record<string, number>)["F"], total);
    assert.notEqual(kept.logId, "");
  }
});

test("a process ends by itself when everything is closed, whatever was open", { skip: noServer }, () => {
  const program = `import { Mink, jsonEvent } from "@mink-es/client";
    const mink = new Mink();
    await mink.append("End-1", [jsonEvent("T", 1)], { expected: "ANY" });
    for await (const event of mink.subscribeAll()) break;
    const open = mink.subscribeAll()[Symbol.asyncIterator]();
    await open.next();
    const aborted = mink.append("End-1", [jsonEvent("T", 1)], { expected: "ANY", signal: AbortSignal.timeout(1) });
    await aborted.catch(() => {});
    const away = new Mink("localhost:1");
    const failing = [away.getStream("S"), away.append("S", [jsonEvent("T", 1)], { expected: "ANY" })].map((call) => call.catch((error) => error.reason));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await Promise.all([mink.close(), away.connect().catch(() => {})]);
    const closing = away.close();
    console.log(...(await Promise.all(failing)), Math.round(performance.now()) < 9000);
    await closing;`;
  const env = { ...process.env, MINK_SERVER: server?.address };
  const options = { cwd: folder, env, encoding: "utf8", timeout: 20_000 } as const;
  const begin = performance.now();
  const out = execFileSync(process.execPath, ["--input-type=module", "--eval", program], options);
  assert.equal(out, "CLIENT_CLOSED CLIENT_CLOSED true\n");
  assert(performance.now() - begin < 9000);
});

test("a client that nobody closed holds its process for seconds, and not for ever", { skip: noServer }, () => {
  const program = `import { Mink, jsonEvent } from "@mink-es/client";
    await new Mink().append("End-2", [jsonEvent("T", 1)], { expected: "ANY" });
    console.log("over");`;
  const env = { ...process.env, MINK_SERVER: server?.address };
  const options = { cwd: folder, env, encoding: "utf8", timeout: 10_000 } as const;
  assert.equal(execFileSync(process.execPath, ["--input-type=module", "--eval", program], options), "over\n");
});

test("a subscription left by break and a closed one leave nothing that keeps the process", { skip: noServer }, () => {
  const program = `import { Mink } from "@mink-es/client";
    const mink = new Mink();
    for await (const event of mink.subscribeAll()) break;
    const second = mink.subscribeAll();
    const next = second[Symbol.asyncIterator]().next();
    second.close();
    await next;
    await mink.getStream("End-1");
    console.log("over");`;
  const env = { ...process.env, MINK_SERVER: server?.address };
  const options = { cwd: folder, env, encoding: "utf8", timeout: 10_000 } as const;
  // The client itself is not closed: an idle connection does not keep a process.
  assert.equal(execFileSync(process.execPath, ["--input-type=module", "--eval", program], options), "over\n");
});
