import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { status as Code } from "@grpc/grpc-js";

import { CredentialsError, Mink, Unauthenticated, jsonEvent } from "../src/index.js";
import { type Call, FakeServer, Refusal, done, status } from "./fake-server.js";

const folder = mkdtempSync(join(tmpdir(), "mink-tokens-"));
after(() => {
  rmSync(folder, { recursive: true });
});

let files = 0;
function file(content: string): string {
  const name = join(folder, `token-${++files}`);
  writeFileSync(name, content);
  return name;
}

function replace(name: string, content: string): void {
  writeFileSync(`${name}.new`, content);
  renameSync(`${name}.new`, name);
}

/** Answers whoever has the right token, and keeps what came. */
async function guarded(right: { token: string }, seen: unknown[]): Promise<FakeServer> {
  const check = (call: Call): void => {
    const [authorization] = call.headers.get("authorization");
    seen.push(authorization);
    if (authorization !== `Bearer ${right.token}`) {
      throw new Refusal(Code.UNAUTHENTICATED, status("UNAUTHENTICATED", Code.UNAUTHENTICATED));
    }
  };
  return FakeServer.start({
    getStream: ({ stream }, call) => {
      check(call);
      return { stream: { stream, version: 1n } };
    },
    appendSession: ({ appends }, answer, call) => {
      check(call);
      answer(...appends.map((append) => done(append)));
    },
    async *readStream(_, call) {
      check(call);
      yield { events: [] };
    },
  });
}

const EVENT = [jsonEvent("T", {})];

test("a token goes with each call, without the white space around it", async () => {
  const seen: unknown[] = [];
  await using server = await guarded({ token: "one" }, seen);
  const mink = server.client({ token: "  one\n" });
  await mink.getStream("S");
  await mink.append("S", EVENT, { expected: "ANY" });
  assert.deepEqual(seen, ["Bearer one", "Bearer one"]);
});

test("a file is looked at again after a second, and a new token goes with the calls that begin then", async () => {
  const seen: unknown[] = [];
  const right = { token: "one" };
  await using server = await guarded(right, seen);
  const tokenFile = file("one\n");
  const mink = server.client({ tokenFile });
  await mink.append("S", EVENT, { expected: "ANY" });
  replace(tokenFile, "second");
  right.token = "second";
  await sleep(1050);
  await mink.append("S", EVENT, { expected: "ANY" });
  await mink.getStream("S");
  assert.deepEqual(seen, ["Bearer one", "Bearer second", "Bearer second"]);
  assert.equal(server.calls.get("appendSession"), 2);
});

test("a file that cannot be used any more is told once, and the old token counts", async () => {
  const warnings: string[] = [];
  await using server = await guarded({ token: "one" }, []);
  const tokenFile = file("one");
  const mink = server.client({ tokenFile, logger: { warn: (text) => warnings.push(text), info: () => undefined } });
  replace(tokenFile, "no token\nat all: s3cret");
  for (let look = 0; look < 2; look++) {
    await sleep(1050);
    await mink.getStream("S");
  }
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /credentials stay as they were: tokenFile: .*token-/);
  assert.doesNotMatch(warnings[0] ?? "", /s3cret/);
  replace(tokenFile, "wrong, but a token".replaceAll(" ", "-"));
  await sleep(1050);
  await assert.rejects(mink.getStream("S"), Unauthenticated);
});

for (const [name, call] of [
  ["a call", (mink) => mink.getStream("S")],
  ["an append", (mink) => mink.append("S", EVENT, { expected: "ANY" })],
  ["a reading", (mink) => mink.load("S")],
] as [string, (mink: Mink) => Promise<unknown>][]) {
  test(`${name} whose token is refused is made again with another one, once`, async () => {
    const seen: unknown[] = [];
    const right = { token: "second" };
    await using server = await guarded(right, seen);
    const tokenFile = file("first");
    const mink = server.client({ tokenFile });
    replace(tokenFile, "second");
    await call(mink);
    assert.deepEqual(seen, ["Bearer first", "Bearer second"]);
    seen.length = 0;
    right.token = "third";
    await assert.rejects(call(mink), Unauthenticated);
    assert.equal(seen.length, 1);
    replace(tokenFile, "fourth");
    await assert.rejects(call(mink), Unauthenticated);
    assert.deepEqual(seen.at(-1), "Bearer fourth");
  });
}

test("a function fetches the token before the first call, once for many, and again when it is refused", async () => {
  const seen: unknown[] = [];
  const right = { token: "token-1" };
  await using server = await guarded(right, seen);
  let fetched = 0;
  const token = async (): Promise<string> => {
    await sleep(20);
    return `token-${++fetched}`;
  };
  const mink = server.client({ token });
  await Promise.all([1, 2, 3].map(() => mink.append("S", EVENT, { expected: "ANY" })));
  assert.equal(fetched, 1);
  right.token = "token-2";
  await Promise.all([1, 2, 3].map(() => mink.getStream("S")));
  assert.equal(fetched, 2);
});

test("a function that always has another token is asked once for a call", async () => {
  const seen: unknown[] = [];
  await using server = await guarded({ token: "right" }, seen);
  let fetched = 0;
  const mink = server.client({ token: () => `token-${++fetched}` });
  await assert.rejects(mink.getStream("S"), Unauthenticated);
  await assert.rejects(mink.append("S", EVENT, { expected: "ANY" }), Unauthenticated);
  assert.deepEqual(seen, ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-3"]);
});

test("a function that fails is told by the call, and asked again by the next", async () => {
  await using server = await guarded({ token: "right" }, []);
  const answers: (() => string)[] = [
    () => {
      throw new Error("vault is sealed");
    },
    () => "not one token",
    () => "right",
  ];
  const mink = server.client({ token: () => answers.shift()?.() ?? "" });
  await assert.rejects(mink.getStream("S"), /vault is sealed/);
  await assert.rejects(mink.append("S", EVENT, { expected: "ANY" }), CredentialsError);
  await mink.append("S", EVENT, { expected: "ANY" });
});

test("what cannot be a token is refused when the client is made, and never shown", () => {
  const secret = "mink_0123456789ab_s3cretSecret";
  const wrong: [ConstructorParameters<typeof Mink>[1], string][] = [
    [{ token: "" }, "token"],
    [{ token: "one\ntwo s3cret" }, "token"],
    [{ token: "grö s3cret" }, "token"],
    [{ token: "s3cret".repeat(1000) }, "token"],
    [{ token: 7 as never }, "token"],
    [{ tokenFile: secret }, "tokenFile"],
    [{ tokenFile: join(folder, "none") }, "tokenFile"],
    [{ tokenFile: file("") }, "tokenFile"],
    [{ tokenFile: folder }, "tokenFile"],
    [{ token: "s3cret", tokenFile: file("s3cret") }, "tokenFile"],
  ];
  for (const [options, argument] of wrong) {
    assert.throws(
      () => new Mink("localhost:1", options),
      (error) => {
        assert(error instanceof CredentialsError, String(error));
        assert.equal(error.argument, argument);
        assert.equal(error.reason, "CREDENTIALS");
        assert.doesNotMatch(String(error.stack), /s3cretSecret|two s3cret|grö s3cret/);
        return true;
      },
    );
  }
});

test("a token goes to another machine over TLS only, unless the program says otherwise", () => {
  for (const server of [
    "mink.example:1",
    "dns:///mink.example:1",
    "ipv4:127.0.0.1:1,192.0.2.1:1",
    "0.0.0.0:1",
    "localhost.example:1",
  ]) {
    assert.throws(
      () => new Mink(server, { token: "t" }),
      (error) => error instanceof CredentialsError && error.argument === "insecureToken",
    );
    void new Mink(server, { token: "t", insecureToken: true }).close();
    void new Mink(server, { token: "t", tls: true }).close();
  }
  for (const server of [
    "localhost:1",
    "127.8.8.8:1",
    "[::1]:1",
    "[0:0:0:0:0:0:0:1]:1",
    "unix:/tmp/s",
    "dns:localhost:1",
    "ipv6:[::1]:1",
  ]) {
    void new Mink(server, { token: "t" }).close();
  }
});

test("the environment says what the program does not", async () => {
  const seen: unknown[] = [];
  await using server = await guarded({ token: "from the environment" }, seen);
  const saved = { ...process.env };
  try {
    Object.assign(process.env, { MINK_SERVER: server.address, MINK_TOKEN: "env" });
    const mink = new Mink();
    assert.equal(mink.server, server.address);
    await assert.rejects(mink.getStream("S"), Unauthenticated);
    await mink.close();
    assert.deepEqual(seen, ["Bearer env"]);
    process.env["MINK_TOKEN_FILE"] = file("other");
    assert.throws(() => new Mink(), /MINK_TOKEN and MINK_TOKEN_FILE/);
    const said = new Mink(undefined, { token: "said" });
    await assert.rejects(said.getStream("S"), Unauthenticated);
    await said.close();
    assert.deepEqual(seen.at(-1), "Bearer said");
    process.env["MINK_TLS"] = "perhaps";
    assert.throws(() => new Mink(undefined, { token: "t" }), /MINK_TLS: true or false, not "perhaps"/);
    process.env["MINK_TLS"] = "off";
    process.env["MINK_CA_FILE"] = "/not/there";
    await new Mink(undefined, { token: "t" }).close();
    delete process.env["MINK_TLS"];
    assert.throws(() => new Mink(undefined, { token: "t" }), /caFile: cannot read \/not\/there: ENOENT/);
  } finally {
    for (const name of Object.keys(process.env).filter((name) => name.startsWith("MINK_"))) {
      Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, saved);
  }
});
