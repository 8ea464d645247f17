/** Reading the wire format of protocol buffers by hand, where a message has thousands of parts and generated code would make objects of all. */

/** Wire types: the last three bits of a tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;

/** A place in bytes. Reading moves it; what is beyond the end is a `RangeError`. */
export class Reader {
  /** Where the next byte is. */
  at: number;

  /**
   * @param bytes - The bytes.
   * @param start - Where to begin.
   * @param end - Where to end.
   */
  constructor(
    readonly bytes: Buffer,
    start = 0,
    readonly end = bytes.length,
  ) {
    this.at = start;
  }

  /** Whether there is more to read. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** A number that has at most 32 bits: a tag or a length. Higher bits are dropped. */
  uint32(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++] ?? this.fail();
    if (byte < 128) {
      return byte;
    }
    let value = byte & 127;
    for (let shift = 7; ; shift += 7) {
      byte = bytes[this.at++] ?? this.fail();
      if (shift < 32) {
        value |= (byte & 127) << shift;
      }
      if (byte < 128) {
        return value >>> 0;
      }
      if (shift === 63) {
        this.fail();
      }
    }
  }

  /** A whole number of 64 bits with a sign. */
  int64(): bigint {
    const bytes = this.bytes;
    let low = 0; // the lower 49 bits, which a number holds exactly
    let factor = 1;
    for (let count = 0; count < 7; count++) {
      const byte = bytes[this.at++] ?? this.fail();
      low += (byte & 127) * factor;
      if (byte < 128) {
        return BigInt(low);
      }
      factor *= 128;
    }
    let high = 0n;
    for (let shift = 0n; shift < 21n; shift += 7n) {
      const byte = bytes[this.at++] ?? this.fail();
      high |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        return BigInt.asIntN(64, (high << 49n) | BigInt(low));
      }
    }
    return this.fail();
  }

  /** A length, and the place behind as many bytes; the reader stays before them. */
  block(): number {
    const length = this.uint32();
    const end = this.at + length;
    if (end > this.end) {
      this.fail();
    }
    return end;
  }

  /** Passes over a field. */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.int64();
        break;
      case FIXED64:
        this.at += 8;
        break;
      case BYTES:
        this.at = this.block();
        break;
      case FIXED32:
        this.at += 4;
        break;
      default:
        this.fail();
    }
    if (this.at > this.end) {
      this.fail();
    }
  }

  private fail(): never {
    throw new RangeError("the server's answer is damaged: it is no message of Mink");
  }
}
