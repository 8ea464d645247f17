/** What the runner of the conformance cases understands by words in braces and by matching, as the folder of the cases says it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { parse } from "yaml";

import { replaced } from "../conformance/braces.js";
import { Mismatch, match, saved } from "../conformance/matching.js";
import { type Fields, RunnerError, type Value, fields, shown } from "../conformance/values.js";

const FOLDER = join(import.meta.dirname, "../../../conformance");

function entries(file: string): Fields[] {
  const found = parse(readFileSync(join(FOLDER, file), "utf8"), { intAsBigInt: true }) as Fields[];
  assert(found.length > 20);
  return found;
}

function knownIn(names: Fields): (name: string) => Value {
  return (name) => {
    const value = names[name];
    if (value === undefined) {
      throw new RunnerError(name);
    }
    return value;
  };
}

test("words in braces become what braces.yaml says", () => {
  for (const { value = null, with: names, becomes, wrong } of entries("braces.yaml")) {
    const known = knownIn(fields(names));
    if (wrong === true) {
      assert.throws(() => replaced(value, known), RunnerError, shown(value));
    } else {
      assert.deepEqual(replaced(value, known), becomes, shown(value));
    }
  }
});

test("what matches is what matching.yaml says", () => {
  for (const { says = null, came = null, matches, saves } of entries("matching.yaml")) {
    const names = saved(says, came);
    let matched = true;
    try {
      match(says, came, knownIn(names));
    } catch (error) {
      assert(error instanceof Mismatch, String(error));
      matched = false;
    }
    assert.equal(matched, matches, `${shown(says)} and ${shown(came)}`);
    if (matched) {
      assert.deepEqual(names, saves ?? {}, shown(says));
    }
  }
});
