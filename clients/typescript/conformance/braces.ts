/** Words in braces: what `${…}` in a case becomes. */

import { RunnerError, type Value, isFields, text } from "./values.js";

const NAME = "[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_.-]+)?";
const WORD = new RegExp(`^\\$\\{(${NAME})(?: ([+-]) ([0-9]+))?\\}$`);
const ANY = /\$\$\{|\$\{[^}]*\}?/g;

/** Gives what a name stands for, or throws. */
export type Known = (name: string) => Value;

/** A value of a case in which all words are replaced, also in what it holds; keys are not. */
export function replaced(value: Value, known: Known): Value {
  if (typeof value === "string") {
    return inAll(value, known);
  }
  if (Array.isArray(value)) {
    return value.map((entry) => replaced(entry, known));
  }
  if (isFields(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replaced(entry, known)]));
  }
  return value;
}

function inAll(value: string, known: Known): Value {
  const whole = WORD.exec(value);
  if (whole !== null) {
    return valueOf(whole, known);
  }
  return value.replace(ANY, (word) => {
    if (word === "$${") {
      return "${";
    }
    const found = WORD.exec(word);
    if (found === null) {
      throw new RunnerError(`${word} is none of the words in braces that there are`);
    }
    return text(valueOf(found, known));
  });
}

function valueOf([word, name = "", sign, added = "0"]: RegExpExecArray, known: Known): Value {
  const value = known(name);
  if (sign === undefined) {
    return value;
  }
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
    throw new RunnerError(`${word}: ${name} is no whole number`);
  }
  const whole = BigInt(value as bigint | number);
  return sign === "+" ? whole + BigInt(added) : whole - BigInt(added);
}
