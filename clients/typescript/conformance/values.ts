/** Values of the cases: what YAML and JSON can say. Whole numbers of the cases are bigints; numbers of the harness are numbers. */
export type Value = string | number | bigint | boolean | null | Value[] | { [key: string]: Value };

/** An object of a case. */
export type Fields = Record<string, Value>;

/** Something went wrong beside the client: no `fails` can describe it. */
export class RunnerError extends Error {}

/** An object. */
export function fields(value: Value | undefined): Fields {
  if (!isFields(value)) {
    throw new RunnerError(`expected an object, not ${shown(value)}`);
  }
  return value;
}

/** Whether it is an object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list. */
export function list(value: Value | undefined): Value[] {
  if (!Array.isArray(value)) {
    throw new RunnerError(`expected a list, not ${shown(value)}`);
  }
  return value;
}

/** A number that is no position: how often, how long. */
export function number(value: Value | undefined): number {
  if (typeof value !== "number" && typeof value !== "bigint") {
    throw new RunnerError(`expected a number, not ${shown(value)}`);
  }
  return Number(value);
}

/** A text, also where a word in braces has become a number. */
export function text(value: Value | undefined): string {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
    case "number":
    case "bigint":
      return String(value);
    default:
      throw new RunnerError(`only a text, a number or true and false can stand in a text, not ${shown(value)}`);
  }
}

/** How a value is shown to a person. */
export function shown(value: unknown): string {
  if (value === undefined) {
    return "nothing";
  }
  const written = JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? Number(part) : part));
  return written.length <= 1000 ? written : `${written.slice(0, 1000)}… (${written.length} characters)`;
}
