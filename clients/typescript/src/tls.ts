/** Whom a client trusts, and with which certificate it shows itself: files in PEM form. */

import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";

import { ChannelCredentials } from "@grpc/grpc-js";

import { CredentialsError } from "./errors.js";
import { kindOf } from "./kind-of.js";
import { type FileName, checkedPath } from "./secrets.js";

/** How to speak TLS. Files are PEM. They are read anew when they change; a connection that is open is not broken for that. */
export interface TlsOptions {
  /** The authorities that may have signed the server's certificate; not given: those that this machine trusts. */
  readonly caFile?: FileName | undefined;
  /** The client's own certificate, with the chain behind it; not given: it has none. */
  readonly certFile?: FileName | undefined;
  /** The key that belongs to it, without a passphrase. */
  readonly keyFile?: FileName | undefined;
  /** The name that the server's certificate must have; not given: the host of the server's address. */
  readonly serverName?: string | undefined;
}

const SWITCH: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["false", "0", "no", "off"].map((word) => [word, false] as const),
]);
const LONGEST_SWITCH = 20; // characters of a wrong switch that are shown: what is longer may be a key or a token

const GRPC_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH";
// Where systems keep the authorities that they trust: Debian and Alpine, Fedora, SUSE, macOS and BSD.
const SYSTEM_ROOTS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** @internal The files of TLS, checked. */
export class Tls {
  readonly #caFile: string | undefined;
  readonly #certFile: string | undefined;
  readonly #keyFile: string | undefined;
  /** The name that the server's certificate must have; undefined: the host of the address. */
  readonly serverName: string | undefined;

  /**
   * @throws CredentialsError - Something is no path, or a certificate was given without its key, or a key without its certificate.
   */
  constructor({ caFile, certFile, keyFile, serverName }: TlsOptions) {
    this.#caFile = caFile === undefined ? undefined : checkedPath("caFile", caFile);
    this.#certFile = certFile === undefined ? undefined : checkedPath("certFile", certFile);
    this.#keyFile = keyFile === undefined ? undefined : checkedPath("keyFile", keyFile);
    this.serverName = serverName;
    if ((certFile === undefined) !== (keyFile === undefined)) {
      const [missing, given] = keyFile === undefined ? ["keyFile", "certFile"] : ["certFile", "keyFile"];
      throw new CredentialsError(missing, `goes with ${given}: a client certificate needs both`);
    }
  }

  /** The files that are named. */
  get files(): readonly string[] {
    return [this.#caFile, this.#certFile, this.#keyFile].filter((file) => file !== undefined);
  }

  /**
   * Reads and checks the files.
   *
   * @throws CredentialsError - A file cannot be read, or is not what it should be.
   */
  credentials(): ChannelCredentials {
    const roots = this.#caFile === undefined ? systemRoots() : readCertificates("caFile", this.#caFile);
    if (this.#certFile === undefined || this.#keyFile === undefined) {
      return withoutAddressAsName(ChannelCredentials.createSsl(roots));
    }
    const chain = readCertificates("certFile", this.#certFile);
    const key = readKey(this.#keyFile, chain, this.#certFile);
    return withoutAddressAsName(ChannelCredentials.createSsl(roots, key, chain));
  }
}

/**
 * gRPC tells the server the host of its address as the name that it was called by. An IP address is no name, and Node warns of one
 * (DEP0123). The certificate is compared with the address all the same.
 */
function withoutAddressAsName(credentials: ChannelCredentials): ChannelCredentials {
  const make = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector: ReturnType<typeof make> & { connectionOptions?: { servername?: string } } = make(...args);
    if (isIP(connector.connectionOptions?.servername ?? "") !== 0) {
      delete connector.connectionOptions?.servername;
    }
    return connector;
  };
  return credentials;
}

/**
 * @internal
 * Whether and how to speak TLS. What is not given comes from the environment, where naming a file turns TLS on as well.
 *
 * @param given - Files are taken as they are. True: on, false: off, undefined: as the environment says.
 * @throws CredentialsError - Something cannot be.
 */
export function chooseTls(given: TlsOptions | boolean | undefined): Tls | undefined {
  if (given !== undefined && typeof given !== "boolean") {
    if (kindOf(given) !== "object") {
      throw new CredentialsError("tls", `true, false or an object with files, not ${kindOf(given)}`);
    }
    return new Tls(given);
  }
  const wanted = given ?? switchOf("MINK_TLS");
  if (wanted === false) {
    return undefined;
  }
  const tls = new Tls({
    caFile: process.env["MINK_CA_FILE"] || undefined,
    certFile: process.env["MINK_CLIENT_CERT_FILE"] || undefined,
    keyFile: process.env["MINK_CLIENT_KEY_FILE"] || undefined,
  });
  return wanted === true || tls.files.length > 0 ? tls : undefined;
}

function switchOf(variable: string): boolean | undefined {
  const text = (process.env[variable] ?? "").trim().toLowerCase();
  if (text !== "" && !SWITCH.has(text)) {
    const shown = text.length <= LONGEST_SWITCH ? `not ${JSON.stringify(text)}` : "and nothing else";
    throw new CredentialsError("tls", `${variable}: true or false, ${shown}`);
  }
  return SWITCH.get(text);
}

/** The authorities that this machine trusts; null: those that Node brings with it, or that gRPC is told of by its own variable. */
function systemRoots(): Buffer | null {
  if (process.env[GRPC_ROOTS]) {
    return null;
  }
  for (const name of [process.env["SSL_CERT_FILE"], ...SYSTEM_ROOTS]) {
    try {
      const data = name ? readFileSync(name) : undefined;
      if (data?.length) {
        return Buffer.concat([data, extraRoots()]);
      }
    } catch {
      continue;
    }
  }
  return null;
}

/** What Node would add to its own authorities. */
function extraRoots(): Buffer {
  try {
    const name = process.env["NODE_EXTRA_CA_CERTS"];
    return name ? Buffer.concat([Buffer.from("\n"), readFileSync(name)]) : Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0); // Node has said so when it began
  }
}

function readCertificates(argument: string, name: string): Buffer {
  const data = read(argument, name);
  try {
    const blocks = data.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
    blocks.forEach((block) => new X509Certificate(block));
    if (blocks.length > 0) {
      return data;
    }
  } catch {
    // Told below: what OpenSSL says helps nobody.
  }
  throw new CredentialsError(argument, `${name} holds no certificate in PEM form, or a damaged one`);
}

function readKey(name: string, chain: Buffer, certFile: string): Buffer {
  const data = read("keyFile", name);
  const text = data.toString("latin1");
  if (text.includes("ENCRYPTED")) {
    throw new CredentialsError("keyFile", `${name} is protected by a passphrase, which this client does not take`);
  }
  if (!text.includes("PRIVATE KEY-----")) {
    throw new CredentialsError("keyFile", `${name} holds no private key in PEM form`);
  }
  let belongs: boolean;
  try {
    belongs = new X509Certificate(chain).checkPrivateKey(createPrivateKey(data));
  } catch {
    throw new CredentialsError("keyFile", `${name} holds no usable private key`);
  }
  if (!belongs) {
    throw new CredentialsError("keyFile", `${name} does not belong to the certificate in ${certFile}`);
  }
  return data;
}

function read(argument: string, name: string): Buffer {
  try {
    return readFileSync(name);
  } catch (error) {
    throw unreadable(argument, name, error);
  }
}

/** The error for a file that cannot be read. */
export function unreadable(argument: string, name: string, error: unknown): CredentialsError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return new CredentialsError(argument, `cannot read ${name}: ${code}`);
}
