/** Tokens: where they come from, and what can be one. No error here shows one. */

import { closeSync, openSync, readSync } from "node:fs";

import { CredentialsError } from "./errors.js";
import { kindOf } from "./kind-of.js";
import { type FileName, checkedPath } from "./secrets.js";
import { unreadable } from "./tls.js";

/** A token, or a function that fetches one. */
export type TokenSource = string | (() => string | Promise<string>);

const LONGEST = 4096;

/**
 * Where the token comes from: what is given, or else what the environment says; one of the two at most.
 *
 * @throws CredentialsError - There are two, or the file's path is none.
 */
export function chooseToken(
  token: TokenSource | undefined,
  tokenFile: FileName | undefined,
): { token: TokenSource | undefined; tokenFile: string | undefined } {
  if (token !== undefined && tokenFile !== undefined) {
    throw new CredentialsError("tokenFile", "goes without token: one of the two");
  }
  if (token === undefined && tokenFile === undefined) {
    token = process.env["MINK_TOKEN"] || undefined;
    tokenFile = process.env["MINK_TOKEN_FILE"] || undefined;
    if (token !== undefined && tokenFile !== undefined) {
      throw new CredentialsError("tokenFile", "MINK_TOKEN and MINK_TOKEN_FILE are both set: one of the two");
    }
  }
  return { token, tokenFile: tokenFile === undefined ? undefined : checkedPath("tokenFile", tokenFile) };
}

/**
 * A token without the white space around it.
 *
 * @param token - What was given.
 * @param where - Where it came from, for the error.
 * @throws CredentialsError - It cannot be a token.
 */
export function checkedToken(token: unknown, where = "it"): string {
  if (typeof token !== "string") {
    throw new CredentialsError("token", `${where} is no text, but ${kindOf(token)}`);
  }
  const text = token.trim();
  if (text === "") {
    throw new CredentialsError("token", `${where} is empty`);
  }
  if (/[\r\n]/.test(text)) {
    throw new CredentialsError("token", `${where} has more than one line; a token is one`);
  }
  if (text.length > LONGEST || !/^[!-~]+$/.test(text)) {
    throw new CredentialsError(
      "token",
      `${where} is not ${LONGEST} or fewer printable ASCII characters without spaces`,
    );
  }
  return text;
}

/**
 * The token in a file.
 *
 * @throws CredentialsError - The file cannot be read, or holds no token.
 */
export function readToken(name: string): string {
  let text: string;
  try {
    text = readStart(name, LONGEST * 2);
  } catch (error) {
    throw unreadable("tokenFile", name, error);
  }
  try {
    return checkedToken(text, name);
  } catch (error) {
    throw error instanceof CredentialsError ? new CredentialsError("tokenFile", error.problem) : error;
  }
}

/** The first bytes of a file: a file that is no token may be large, or without end. */
function readStart(name: string, most: number): string {
  const file = openSync(name, "r");
  try {
    const buffer = Buffer.alloc(most);
    return buffer.toString("utf8", 0, readSync(file, buffer, 0, most, 0));
  } finally {
    closeSync(file);
  }
}
