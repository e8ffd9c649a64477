// The few requests that the pages of consoles make. A refusal becomes a Refused with its problem details, no answer an Unreachable.

import { csrfToken } from "../eve.js";

const TIMEOUT_MS = 15_000;

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || String(problem.status));
    this.problem = problem;
  }
}

export class Unreachable extends Error {}

async function answerTo(method, path, body, timeoutMs = TIMEOUT_MS) {
  try {
    return await fetch(path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        Accept: "application/json",
        ...(body ? { "Content-Type": "application/json" } : {}),
        ...(method === "GET" ? {} : { "X-CSRFToken": csrfToken() }),
      },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch {
    return {}; // Nothing readable: a proxy's own page, perhaps. The status has to do.
  }
}

async function refusal(response) {
  const answer = await jsonOf(response);
  const waitSeconds = Number(response.headers.get("Retry-After"));
  return new Refused({ retry_after: waitSeconds > 0 ? waitSeconds : 0, ...answer, status: response.status });
}

export async function request(method, path, body, timeoutMs = TIMEOUT_MS) {
  const response = await answerTo(method, path, body, timeoutMs);
  if (!response.ok) throw await refusal(response);
  return jsonOf(response);
}

/** A one-use ticket: {url, session, mode}. `resume` is a session that broke off; with `force` a serial line is taken from who holds it. */
export function ticket(path, { mode, resume, kind = "vnc", force = false }) {
  return request("POST", path, { mode, kind, ...(resume ? { resume } : {}), ...(force ? { force } : {}) });
}

/** What Eve says of a session: {state, close_code, reason}. */
export function sessionOf(prefix, session) {
  return request("GET", `${prefix}${encodeURIComponent(session)}`);
}

/** Who is watching: [{session, name, mode, since, is_own, may_end, may_get_control, may_lose_control}]. */
export function viewersOf(path) {
  return request("GET", path);
}

/** Gives a session the keyboard, or takes it away. `prefix` is the address that a session's id is put behind, as in the next two. */
export function setMode(prefix, session, mode) {
  return request("PATCH", `${prefix}${encodeURIComponent(session)}`, { mode });
}

/** Gives a session the keyboard, and takes it from all others. */
export function handOver(prefix, session) {
  return request("POST", `${prefix}${encodeURIComponent(session)}/hand-over`);
}

export function endSession(prefix, session) {
  return request("DELETE", `${prefix}${encodeURIComponent(session)}`);
}

/** Has the VM's host type: {state, typed, total, problem}, as the next two. */
export function typeText(path, { text, layout }) {
  return request("POST", path, { text, layout });
}

export function typingOf(path) {
  return request("GET", path);
}

/** Stops it at the next key. */
export function cancelTyping(path) {
  return request("DELETE", path);
}

/** Which keys type which characters: {keys: {"a": [["KeyA"]], …}}. */
export function keyboardOf(path, layout) {
  return request("GET", `${path}?layout=${encodeURIComponent(layout)}`);
}

/** The VM's state: {state}. */
export function stateOf(path) {
  return request("GET", path);
}

/** Asks for a power action: {operation} is where its progress can be read. */
export function changeState(path, action) {
  return request("PATCH", path, { action });
}

/** How the VM went off: {words, since}, with {ago} in the words; they are empty unless it is off. */
export function endingOf(path) {
  return request("GET", path);
}

/** The screen as its host has it: a PNG as a Blob. */
export async function pictureOf(path) {
  const response = await answerTo("GET", path);
  if (!response.ok) throw await refusal(response);
  try {
    return await response.blob();
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

/** Keeps the screen as it is on the VM's time line. */
export function keepPicture(path) {
  return request("POST", path);
}

/** The CD drive: {image: {id, name}|null, choices: [{id, name}]}. */
export function driveOf(path) {
  return request("GET", path);
}

/** Asks for another disc, or with null for none: {operation} as above. */
export function changeDisc(path, image) {
  return request("PUT", path, { image });
}

/** An operation: {state, error}. Only an address of Eve's own API is followed. */
export function operationOf(path) {
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin || !url.pathname.startsWith("/api/v1/operations/")) {
    throw new Refused({ status: 500, detail: "" });
  }
  return request("GET", url.pathname);
}
