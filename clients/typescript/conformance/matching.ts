/** Whether what came is what a case says. */

import { type Known, replaced } from "./braces.js";
import { type Fields, RunnerError, type Value, isFields, shown, text } from "./values.js";

/** What came is not what the case says. The text says where, what it says and what came. */
export class Mismatch extends Error {}

/** What is not there at all is undefined. */
type Came = Value | undefined;

/** What `$save` keeps: values by name. What is not there is not kept, and will not match either. */
export function saved(says: Value, came: Came): Fields {
  return Object.fromEntries(savedIn(says, came));
}

function savedIn(says: Value, came: Came): [string, Value][] {
  if (Array.isArray(says) && Array.isArray(came)) {
    return says.flatMap((expected, index) => savedIn(expected, came[index]));
  }
  if (!isFields(says)) {
    return [];
  }
  return Object.entries(says).flatMap(([key, expected]): [string, Value][] => {
    if (key === "$save") {
      return came === undefined ? [] : [[text(expected), came]];
    }
    return savedIn(expected, partOf(key, came));
  });
}

/** What of it a key of a case is about. */
function partOf(key: string, came: Came): Came {
  if (key === "$first" || key === "$last") {
    return Array.isArray(came) ? came.at(key === "$first" ? 0 : -1) : undefined;
  }
  return isFields(came) && !key.startsWith("$") && Object.hasOwn(came, key) ? came[key] : undefined;
}

/**
 * Compares; what the case says may hold words in braces, which are replaced here.
 *
 * @throws Mismatch - It does not match.
 */
export function match(says: Value, came: Came, known: Known): void {
  compare(replaced(says, known), came, "");
}

function compare(says: Value, came: Came, where: string): void {
  if (!holds(says, came, where)) {
    throw new Mismatch(`${where || "it"}: expected ${shown(says)}, came ${shown(came)}`);
  }
}

/** Whether it matches; a mismatch in a part of it is thrown, with the part's name. */
function holds(says: Value, came: Came, where: string): boolean {
  if (isFields(says) && Object.keys(says).some((key) => key.startsWith("$"))) {
    return Object.entries(says).every(([key, argument]) => operator(key)(argument, came, where));
  }
  if (isFields(says)) {
    if (!isFields(came)) {
      return false;
    }
    for (const [key, expected] of Object.entries(says)) {
      compare(expected, Object.hasOwn(came, key) ? came[key] : undefined, where ? `${where}.${key}` : key);
    }
    return true;
  }
  if (Array.isArray(says)) {
    if (!Array.isArray(came) || came.length !== says.length) {
      return false;
    }
    says.forEach((expected, index) => {
      compare(expected, came[index], `${where}[${index}]`);
    });
    return true;
  }
  return equal(says, came);
}

function isNumber(value: Came): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function equal(says: Value, came: Came): boolean {
  // A bigint and a number are equal by value, exactly, with two equals signs only.
  // eslint-disable-next-line eqeqeq
  return isNumber(says) && isNumber(came) ? says == came : says === came;
}

function matches(says: Value, came: Came, where: string): boolean {
  try {
    compare(says, came, where);
    return true;
  } catch (error) {
    if (error instanceof Mismatch) {
      return false;
    }
    throw error;
  }
}

type Operator = (argument: Value, came: Came, where: string) => boolean;

const compared =
  (holds: (came: number | bigint, bound: number | bigint) => boolean): Operator =>
  (bound, came) =>
    isNumber(came) && isNumber(bound) && holds(came, bound);

const stepping =
  (holds: (one: number | bigint, two: number | bigint) => boolean): Operator =>
  (field, came, where) => {
    if (!Array.isArray(came)) {
      return false;
    }
    const values = came.map((entry) => (isFields(entry) ? entry[text(field)] : undefined));
    if (!values.every(isNumber)) {
      return false;
    }
    values.slice(1).forEach((two, index) => {
      const one = values[index];
      if (one === undefined || !holds(one, two)) {
        throw new Mismatch(`${where}[${index + 1}].${text(field)}: came ${two} after ${one}`);
      }
    });
    return true;
  };

const end =
  (index: 0 | -1): Operator =>
  (says, came, where) => {
    if (!Array.isArray(came) || came.length === 0) {
      return false;
    }
    compare(says, came.at(index), `${where}[${index === 0 ? 0 : came.length - 1}]`);
    return true;
  };

const length: Operator = (says, came, where) => {
  if (typeof came === "string") {
    return matches(says, Array.from(came).length, where);
  }
  if (Array.isArray(came)) {
    return matches(says, came.length, where);
  }
  return isFields(came) && matches(says, Object.keys(came).length, where);
};

const OPERATORS: Readonly<Record<string, Operator>> = {
  $save: (_, came) => came !== undefined,
  $any: (_, came) => came !== undefined && came !== null,
  $absent: (_, came) => came === undefined || came === null,
  $above: compared((came, bound) => came > bound),
  $at_least: compared((came, bound) => came >= bound),
  $below: compared((came, bound) => came < bound),
  $contains: (part, came, where) =>
    typeof came === "string"
      ? typeof part === "string" && came.includes(part)
      : Array.isArray(came) && came.some((entry) => matches(part, entry, where)),
  $matches: (pattern, came) => typeof came === "string" && new RegExp(`^(?:${text(pattern)})$`, "u").test(came),
  $length: length,
  $first: end(0),
  $last: end(-1),
  $each: (says, came, where) => {
    if (!Array.isArray(came)) {
      return false;
    }
    came.forEach((entry, index) => {
      compare(says, entry, `${where}[${index}]`); // so that the error says which
    });
    return true;
  },
  $ascending: stepping((one, two) => two > one),
  $descending: stepping((one, two) => two < one),
  $consecutive: stepping((one, two) => BigInt(two) === BigInt(one) + 1n),
  $not: (says, came, where) => came !== undefined && !matches(says, came, where),
};

function operator(key: string): Operator {
  const found = OPERATORS[key];
  if (found === undefined) {
    throw new RunnerError(`${key} is none of the words that can be matched with`);
  }
  return found;
}
