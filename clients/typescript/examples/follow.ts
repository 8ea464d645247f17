/**
 * Follows the orders of a shop, and keeps in a file how many of each article were sold; begins where it ended the last time.
 *
 *   node --experimental-strip-types follow.ts sold.json          (Node 22.6 or newer; before, compile it with tsc)
 *
 * The counts and the checkpoint are written together, in one rename, so that each event counts once, whenever this program dies. Ctrl-C
 * ends it.
 */

import { readFile, rename, writeFile } from "node:fs/promises";

import { Mink, PositionAhead, type RecordedEvent } from "@mink-es/client";

/** What the file holds. A position may have more digits than a number of JSON's, so it is text. */
interface Sold {
  position: string;
  logId: string;
  articles: Record<string, number>;
}

async function load(file: string): Promise<Sold> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Sold;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return { position: "0", logId: "", articles: {} };
    }
    throw error;
  }
}

async function save(file: string, sold: Sold): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(sold, null, 2));
  await rename(`${file}.new`, file);
}

function count(sold: Sold, event: RecordedEvent): void {
  const { sku, qty } = event.json<{ sku: string; qty: number }>();
  sold.articles[sku] = (sold.articles[sku] ?? 0) + qty;
}

const file = process.argv[2] ?? "sold.json";
const end = new AbortController();
process.once("SIGINT", () => {
  end.abort();
});
process.once("SIGTERM", () => {
  end.abort();
});

const mink = new Mink();
const sold = await load(file);
const events = mink.subscribeAll({
  after: BigInt(sold.position),
  logId: sold.logId,
  categories: ["Order"],
  types: ["OrderPlaced"],
  signal: end.signal,
});
try {
  for await (const batch of events.batches({ idle: true })) {
    for (const event of batch) {
      count(sold, event);
    }
    if (batch.length > 0 || events.position.toString() !== sold.position) {
      sold.position = events.position.toString();
      sold.logId = events.logId;
      await save(file, sold);
    }
    if (batch.length > 0) {
      console.log(`position ${events.position}, ${events.lag} behind:`, sold.articles);
    }
  }
} catch (error) {
  if (error instanceof PositionAhead) {
    console.error(`${file} is of another log than the one at ${mink.server}: move it away to begin anew`);
    process.exitCode = 1;
  } else if (!end.signal.aborted) {
    throw error;
  }
} finally {
  await mink.close();
}
