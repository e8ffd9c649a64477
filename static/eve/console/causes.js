// Why a console is not there: close codes (eve_agent/wire/close.py) and problem details (RFC 9457) as one list of causes.
// Each cause is the key of a message in templates/consoles/messages.html, and says what the page does next.

/**
 * @typedef {object} Cause
 * @property {string} key    which message is shown
 * @property {"retry"|"off"|"end"} then  try again by itself; wait until the VM runs; stop until the person asks
 * @property {boolean} clear whether the last picture is taken away
 * @property {string} [detail] a sentence from Eve, shown as text
 * @property {number} [afterMs] not to be retried before
 * @property {boolean} [forget] the session cannot be resumed
 * @property {boolean} [isTold] where Eve knows of it too, the VM's state tells when it is over
 */

const retry = (key, more = {}) => ({ key, then: "retry", clear: false, ...more });
const end = (key, more = {}) => ({ key, then: "end", clear: false, forget: true, ...more });

export const NETWORK = retry("network");
export const BLOCKED = retry("blocked", { forget: true });
export const SIGNED_OUT = end("signed_out", { clear: true });
export const OWN_WINDOW = end("own_window", { clear: true });
export const VM_OFF = { key: "off", then: "off", clear: false, forget: true };

/** What each close code means for the page. Codes that are not here say nothing about why: Eve is asked then. */
export const CAUSE_OF_CODE = Object.freeze({
  1002: end("bad_message"),
  1003: end("bad_message"),
  1009: end("bad_message"),
  1011: retry("fault"),
  1012: retry("restart"),
  4001: end("access_ended", { clear: true }),
  4002: end("ended_by_staff", { clear: true }),
  4003: end("vm_gone", { clear: true }),
  4004: VM_OFF,
  4005: end("no_display"),
  4006: retry("host_away", { isTold: true }),
  4007: retry("display_lost", { forget: true }),
  4008: end("idle_limit", { clear: true }),
  4009: end("total_limit", { clear: true }),
  4010: retry("too_slow"),
  4011: retry("stalled"),
  4012: end("too_many"),
  4013: end("bad_message"),
  4014: retry("libvirt_away", { isTold: true }),
  4015: end("line_busy"),
  4016: end("line_taken"),
});

/** The cause that a close code and its reason stand for, or null where the code says nothing (1000, 1001, 1005, 1006). */
export function causeOfClose(code, reason = "") {
  const cause = CAUSE_OF_CODE[code];
  return cause ? { ...cause, detail: reason || "" } : null;
}

/**
 * The cause that a refused request stands for.
 * @param {{status: number, code?: string, detail?: string, close_code?: number, retryable?: boolean, retry_after?: number}} problem
 */
export function causeOfProblem(problem) {
  const detail = problem.detail ?? "";
  const named = problem.close_code ? CAUSE_OF_CODE[problem.close_code] : null;
  if (named) return { ...named, detail };
  const afterMs = (problem.retry_after ?? 0) * 1000;
  switch (problem.status) {
    case 401:
      return SIGNED_OUT;
    case 403:
      return problem.code === "not_allowed" ? end("not_allowed", { clear: true, detail }) : SIGNED_OUT;
    case 404:
    case 410:
      return end("vm_gone", { clear: true });
    case 429:
      return retry("busy", { detail, afterMs });
    case 502:
    case 503:
    case 504:
      return retry("unavailable", { detail, afterMs });
    default:
      return problem.status >= 500 || problem.retryable ? retry("fault", { detail, afterMs }) : end("refused", { detail });
  }
}
