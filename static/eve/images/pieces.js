// A file sent in pieces, each at the place where the host's part ends; knows no page, and asks by the function that it is given.

const FIRST_PIECE = 1024 * 1024;
const BRISK_MS = 2_000;
const SLOW_MS = 8_000;
const DIGEST_BYTES = 4 * 1024 * 1024;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

/** Going on makes no sense; `problem` says why. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || String(problem.status));
    this.problem = problem;
  }
}

/** No answer that could be understood: it may go better later. */
export class Broken extends Error {}

/** The length of the next piece, after one of `length` took `ms`: long ones where the way is brisk, never beyond `most`. */
export function nextLength(length, ms, most) {
  if (ms < BRISK_MS) return Math.min(most, length * 2);
  if (ms > SLOW_MS) return Math.max(64 * 1024, Math.floor(length / 2));
  return Math.min(most, length);
}

async function sha256(data) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await data.arrayBuffer()));
}

/** By what the host finds out that all it has is of this file: the digest of the digests of its parts. "" where the page is not secure. */
export async function digestsOf(file) {
  if (!globalThis.crypto?.subtle) return "";
  const digests = [];
  for (let at = 0; at < file.size; at += DIGEST_BYTES) digests.push(await sha256(file.slice(at, at + DIGEST_BYTES)));
  const digest = await sha256(new Blob(digests));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Sends what is missing of `file` to `path`, then asks for the check. `tell({received, isBroken})` is called at each change.
 * `ask(method, path, {data})` answers, or throws Refused or Broken.
 * What was there before it began may be of another file, so the check is told the digests then.
 * Throws Refused where going on makes no sense.
 */
export async function send(file, path, tell, { ask, wait = pause }) {
  let length = FIRST_PIECE;
  let received = -1;
  let before = -1;
  let tries = 0;
  for (;;) {
    try {
      if (received < 0) received = (await ask("GET", path)).received_bytes;
      if (before < 0) before = received;
      tell({ received, isBroken: false });
      if (received >= file.size) {
        await ask("POST", path, { json: before ? { digests_sha256: await digestsOf(file) } : {} });
        return;
      }
      const begun = performance.now();
      const answer = await ask("PUT", `${path}?offset=${received}`, { data: file.slice(received, received + length) });
      received = answer.received_bytes;
      length = nextLength(length, performance.now() - begun, answer.piece_bytes);
      tries = 0;
    } catch (error) {
      const isElsewhere = error instanceof Refused && typeof error.problem.received_bytes === "number";
      if (!isElsewhere && !(error instanceof Broken)) throw error;
      if (isElsewhere && tries > PAUSES_MS.length) throw error;
      tell({ received: Math.max(received, 0), isBroken: !isElsewhere });
      received = -1; // the host knows how far it came
      await wait(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
      tries += 1;
    }
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes in the unit that reads best: 2147483648 is “2 GiB”. */
export function inUnits(count) {
  let power = 0;
  while (power < UNITS.length - 1 && count >= 1024) {
    count /= 1024;
    power += 1;
  }
  const digits = count >= 100 || Number.isInteger(count) ? 0 : 1;
  return `${count.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[power]}`;
}
