/** Writing the wire format of protocol buffers by hand: an append is written while its caller waits. */

const EMPTY = Buffer.alloc(0);

/** A growing message. One is used again and again: `take` gives a copy and begins anew. */
export class Writer {
  #bytes = Buffer.allocUnsafe(4096);
  #at = 0;

  /** What was written, as a copy; the writer is empty again. */
  take(): Buffer {
    const taken = this.#at === 0 ? EMPTY : Buffer.from(this.#bytes.subarray(0, this.#at));
    this.drop();
    return taken;
  }

  /** Forgets what was written. */
  drop(): void {
    this.#at = 0;
    if (this.#bytes.length > 1 << 20) {
      this.#bytes = Buffer.allocUnsafe(4096); // one large append must not keep its room for good
    }
  }

  /** A field that is a whole number, 0 or more; up to 2^53. */
  number(field: number, value: number): void {
    this.#room(20);
    this.#varint(field << 3);
    this.#varint(value);
  }

  /** A field that is a whole number of 64 bits, 0 or more. */
  bigint(field: number, value: bigint): void {
    this.#room(20);
    this.#varint(field << 3);
    while (value > 127n) {
      this.#bytes[this.#at++] = Number(value & 127n) | 128;
      value >>= 7n;
    }
    this.#bytes[this.#at++] = Number(value);
  }

  /** A field that is text. The caller has seen to it that it is well formed. */
  text(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#room(length + 20);
    this.#varint((field << 3) | 2);
    this.#varint(length);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  /** A field that is bytes. */
  bytes(field: number, value: Uint8Array): void {
    this.#room(value.length + 20);
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** The head of a field that is a message, whose bytes the caller has. */
  head(field: number, length: number): void {
    this.#room(20);
    this.#varint((field << 3) | 2);
    this.#varint(length);
  }

  /** Begins a field that is a message. What is given back is for `end`. */
  begin(field: number): number {
    this.#room(20);
    this.#varint((field << 3) | 2);
    return ++this.#at; // room for a length of one byte; most need no more
  }

  /** Ends the message that `begin` began. */
  end(start: number): void {
    const length = this.#at - start;
    let more = 0;
    for (let rest = length >>> 7; rest > 0; rest >>>= 7) {
      more++;
    }
    if (more > 0) {
      this.#room(more);
      this.#bytes.copyWithin(start + more, start, this.#at);
    }
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (value > 127) {
      bytes[at++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    bytes[at++] = value;
    this.#at = at;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#at));
      this.#bytes = larger;
    }
  }
}
