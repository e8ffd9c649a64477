// Changes of the VM: asking for one, and following the operation that carries it out.

import { operationOf, Refused, Unreachable } from "./api.js";

const POLL_MS = 700;
const PATIENCE = 8; // answers that may be missed in a row

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks for a change and follows it to its end.
 * @param {() => Promise<{operation: string}>} change asks for it
 * @returns {Promise<{ok: boolean, detail: string, isUnknown?: boolean}>} never rejects
 */
export async function carryOut(change) {
  let operation;
  try {
    ({ operation } = await change());
  } catch (error) {
    return failure(error);
  }
  for (let missed = 0; missed < PATIENCE; ) {
    await pause(POLL_MS);
    try {
      const { state, error } = await operationOf(operation);
      missed = 0;
      if (state === "succeeded") return { ok: true, detail: "" };
      if (state === "failed") return { ok: false, detail: error?.detail || error?.title || "" };
    } catch (error) {
      if (!(error instanceof Unreachable)) return failure(error);
      missed += 1;
    }
  }
  return { ok: false, detail: "", isUnknown: true };
}

function failure(error) {
  const detail = error instanceof Refused ? error.problem.detail || error.problem.title || "" : "";
  return { ok: false, detail, isUnknown: error instanceof Unreachable };
}
