/** The path of a file with a secret in it, told from the secret itself, which must not be shown. */

import { fileURLToPath } from "node:url";

import { CredentialsError } from "./errors.js";

const LONGEST = 1000;
const PEM = "-----BEGIN";
const TOKEN = /mink_[0-9a-f]{12}_/;
const SECRET = /(mink_[0-9a-f]{12}_)[0-9A-Za-z]+|-----BEGIN[^]*?(?:-----END[^-]*-----|$)/g;

/** The path of a file: text, or a `file:` URL. */
export type FileName = string | URL;

/**
 * The path of a file.
 *
 * @param argument - What the caller calls it. Example: `tokenFile`.
 * @param name - What was given.
 * @throws CredentialsError - It is no path. What was given is not in the error.
 */
export function checkedPath(argument: string, name: FileName): string {
  const path = name instanceof URL && name.protocol === "file:" ? fileURLToPath(name) : name;
  if (typeof path !== "string") {
    throw new CredentialsError(argument, `the path of a file (string or file: URL), not ${typeof path}`);
  }
  if (path === "") {
    throw new CredentialsError(argument, "the path of a file, not empty text");
  }
  if (path.length > LONGEST || /[\r\n\0]/.test(path) || path.includes(PEM) || TOKEN.test(path)) {
    throw new CredentialsError(argument, "holds the content, not the path of a file");
  }
  return path;
}

/** Text in which tokens of Mink and what is in PEM form are left out. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRET, (_, token: string | undefined) => `${token ?? PEM}…`);
}
