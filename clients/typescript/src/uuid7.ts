/** UUIDv7 as text (RFC 9562, section 5.7, method 3), made fast: an event needs one before it can be sent. */

import { randomFillSync } from "node:crypto";

const FRACTION = 4096; // steps of a millisecond: the 12 bits behind the version
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const pool = new Uint8Array(4096); // one call to the system for 512 ids
let used = pool.length;
let lastMillisecond = 0;
let lastFraction = 0;

/** Makes a UUIDv7 in the canonical form. Ids that one thread makes sort in the order in which they were made; all are unique. */
export function uuid7(): string {
  const now = performance.timeOrigin + performance.now();
  let millisecond = Math.floor(now);
  let fraction = Math.floor((now - millisecond) * FRACTION);
  if (millisecond < lastMillisecond || (millisecond === lastMillisecond && fraction <= lastFraction)) {
    millisecond = lastMillisecond;
    fraction = lastFraction + 1;
    if (fraction === FRACTION) {
      millisecond += 1;
      fraction = 0;
    }
  }
  lastMillisecond = millisecond;
  lastFraction = fraction;

  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += 8;
  const time = millisecond.toString(16).padStart(12, "0");
  const hex = (index: number): string => HEX[pool[at + index] ?? 0] ?? "";
  const variant = HEX[((pool[at] ?? 0) & 0x3f) | 0x80] ?? "";
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${fraction.toString(16).padStart(3, "0")}-${variant}${hex(1)}` +
    `-${hex(2)}${hex(3)}${hex(4)}${hex(5)}${hex(6)}${hex(7)}`
  );
}
