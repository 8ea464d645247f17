/** Certificates: what cannot be used is told, and what is renewed is taken. Made by openssl, for these tests only. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { ServerCredentials } from "@grpc/grpc-js";

import { CredentialsError, Mink, Unavailable } from "../src/index.js";
import { FakeServer, batch, forever } from "./fake-server.js";

const folder = mkdtempSync(join(tmpdir(), "mink-tls-"));
after(() => {
  rmSync(folder, { recursive: true });
});
const path = (name: string): string => join(folder, name);
const openssl = (...args: string[]): unknown => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

/** An authority, and a certificate that it has signed, for localhost. */
function authority(name: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    `${name}-ca.key`,
    "-out",
    `${name}-ca.pem`,
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
  );
  openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", "/CN=localhost");
  writeFileSync(path(`${name}.ext`), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const signing = ["-CA", `${name}-ca.pem`, "-CAkey", `${name}-ca.key`, "-CAcreateserial", "-days", "2"];
  openssl("x509", "-req", "-in", `${name}.csr`, ...signing, "-extfile", `${name}.ext`, "-out", `${name}.pem`);
}
authority("one");
authority("two");

function serving(name: string, clients: string): ServerCredentials {
  const pair = { cert_chain: readFileSync(path(`${name}.pem`)), private_key: readFileSync(path(`${name}.key`)) };
  return ServerCredentials.createSsl(readFileSync(path(`${clients}-ca.pem`)), [pair], true);
}

function replace(name: string, by: string): void {
  copyFileSync(path(by), path(`${name}.new`));
  renameSync(path(`${name}.new`), path(name));
}

test("a client shows its certificate, and takes a server's that its authority has signed", async () => {
  const getStream = ({ stream }: { stream: string }) => ({ stream: { stream } });
  await using server = await FakeServer.start({ getStream }, { credentials: serving("one", "two") });
  const own = { certFile: path("two.pem"), keyFile: path("two.key") };
  assert.equal((await server.client({ tls: { caFile: path("one-ca.pem"), ...own } }).getStream("S")).stream, "S");
  for (const tls of [
    { caFile: path("two-ca.pem"), ...own },
    { caFile: path("one-ca.pem") },
    { caFile: path("one-ca.pem"), ...own, serverName: "mink.example" },
    true,
  ]) {
    await assert.rejects(server.client({ tls, timeoutMs: 300 }).getStream("S"), Unavailable);
  }
});

test("after a new certificate, calls that begin go over a new connection, and what is open goes on", async () => {
  let renew!: () => void;
  const renewed = new Promise<void>((resolve) => (renew = resolve));
  const server = await FakeServer.start(
    {
      getStream: ({ stream }) => ({ stream: { stream } }),
      async *subscribeAll(_, call) {
        yield batch(1);
        await renewed;
        yield batch(2);
        await forever(call);
      },
    },
    { credentials: serving("one", "one") },
  );
  for (const name of ["ca.pem", "own.pem", "own.key"]) {
    copyFileSync(path({ "ca.pem": "one-ca.pem", "own.pem": "one.pem", "own.key": "one.key" }[name] ?? ""), path(name));
  }
  const warnings: string[] = [];
  const logger = { warn: (text: string) => warnings.push(text), info: () => undefined };
  const tls = { caFile: path("ca.pem"), certFile: path("own.pem"), keyFile: path("own.key") };
  const mink = server.client({ tls, logger, timeoutMs: 500 });
  const events = mink.subscribeAll()[Symbol.asyncIterator]();
  assert.equal((await events.next()).value?.position, 1n);
  // A key that does not belong to the certificate: the old ones count.
  replace("own.key", "two.key");
  await sleep(1050);
  await mink.getStream("S");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /keyFile: .*own\.key does not belong to the certificate/);
  // Both are there: the server does not take them, so that one sees that they are shown.
  replace("own.pem", "two.pem");
  await sleep(1050);
  await assert.rejects(mink.getStream("S"), Unavailable);
  renew();
  assert.equal((await events.next()).value?.position, 2n);
  assert.equal(server.calls.get("subscribeAll"), 1);
  await mink.close();
  server.stop();
});

test("what cannot be used is told when the client is made, with the argument and the file", () => {
  writeFileSync(path("none.pem"), "no certificate");
  writeFileSync(path("damaged.pem"), "-----BEGIN CERTIFICATE-----\nMIIBdamaged\n-----END CERTIFICATE-----\n");
  openssl("ec", "-in", "one.key", "-aes128", "-passout", "pass:word", "-out", "locked.key");
  const [certFile, keyFile] = [path("one.pem"), path("one.key")];
  for (const [tls, argument, problem] of [
    [{ caFile: path("absent.pem") }, "caFile", /cannot read .*absent\.pem: ENOENT/],
    [{ caFile: path("none.pem") }, "caFile", /none\.pem holds no certificate/],
    [{ caFile: path("damaged.pem") }, "caFile", /damaged\.pem holds no certificate/],
    [{ certFile }, "keyFile", /goes with certFile/],
    [{ keyFile }, "certFile", /goes with keyFile/],
    [{ certFile, keyFile: path("two.key") }, "keyFile", /two\.key does not belong/],
    [{ certFile, keyFile: certFile }, "keyFile", /one\.pem holds no private key/],
    [{ certFile, keyFile: path("locked.key") }, "keyFile", /passphrase/],
    [{ caFile: readFileSync(path("one.key"), "utf8") }, "caFile", /holds the content, not the path/],
  ] as const) {
    assert.throws(
      () => new Mink("localhost:1", { tls }),
      (error) => {
        assert(error instanceof CredentialsError);
        assert.equal(error.argument, argument);
        assert.match(error.problem, problem);
        assert.doesNotMatch(String(error.stack), /PRIVATE KEY-----\n/);
        return true;
      },
    );
  }
});
