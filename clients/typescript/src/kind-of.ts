/** What kind of thing a value is, for an error: `typeof`, which knows neither null nor lists. */
export function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
}
