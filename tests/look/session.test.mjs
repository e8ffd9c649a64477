// The console's state machine: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS_IN } from "../../static/eve/console/actions.js";
import { causeOfProblem } from "../../static/eve/console/causes.js";
import { combination, difference, KEYS, keysFor, press } from "../../static/eve/console/keys.js";
import { ConsoleSession } from "../../static/eve/console/session.js";

const kinds = (effects) => effects.map((effect) => effect.do);

function begun(options = {}) {
  const session = new ConsoleSession({ vmState: "running", random: () => 0.5, ...options });
  const effects = session.dispatch({ type: "start" });
  return { session, effects };
}

function connected(options = {}) {
  const { session } = begun(options);
  session.dispatch({ type: "ticket", turn: session.turn, session: "s1", url: "/ws/x", mode: "control" });
  session.dispatch({ type: "host", turn: session.turn });
  session.dispatch({ type: "screen", turn: session.turn, now: 0 });
  return session;
}

const close = (session, code, { now = 1000, reason = "" } = {}) =>
  session.dispatch({ type: "closed", turn: session.turn, code, reason, now });

test("the way to the screen: ticket, host, screen", () => {
  const { session, effects } = begun();
  assert.deepEqual(effects.at(-1), { do: "ask", mode: "control", resume: null, turn: 1 });
  assert.equal(session.phase, "asking");
  const opens = session.dispatch({ type: "ticket", turn: 1, session: "s1", url: "/ws/x", mode: "control" });
  assert.deepEqual(opens, [{ do: "open", url: "/ws/x", turn: 1 }]);
  assert.equal(session.phase, "opening");
  session.dispatch({ type: "host", turn: 1 });
  assert.equal(session.phase, "drawing");
  session.dispatch({ type: "screen", turn: 1, now: 0 });
  assert.equal(session.phase, "connected");
});

test("a VM that is off is not knocked at, and opens by itself when it runs", () => {
  const { session, effects } = begun({ vmState: "off" });
  assert.equal(session.phase, "off");
  assert.ok(!kinds(effects).includes("ask"));
  assert.ok(kinds(session.dispatch({ type: "vm", state: "running" })).includes("ask"));
});

test("a VM that was off and is gone, or may not be seen any more, is not waited for", () => {
  for (const [status, key] of [[404, "vm_gone"], [401, "signed_out"]]) {
    const { session } = begun({ vmState: "off" });
    session.dispatch({ type: "state_refused", problem: { status } });
    assert.deepEqual([session.phase, session.cause.key], ["ended", key]);
  }
  const { session } = begun({ vmState: "off" });
  assert.deepEqual(session.dispatch({ type: "state_refused", problem: { status: 503 } }), []);
  assert.equal(session.phase, "off");
  const shown = connected();
  assert.deepEqual(shown.dispatch({ type: "state_refused", problem: { status: 404 } }), [], "its own end is told");
  assert.equal(shown.phase, "connected");
});

test("a guest that crashed is tried once: its host knows whether it left a screen", () => {
  const { session } = begun({ vmState: "crashed" });
  assert.equal(session.phase, "asking");
  session.dispatch({ type: "ticket", turn: 1, session: "s1", url: "/ws/x", mode: "control" });
  close(session, 4004);
  assert.equal(session.phase, "off");
  assert.deepEqual(session.dispatch({ type: "vm", state: "crashed" }), [], "no news, no further try");
  assert.ok(kinds(session.dispatch({ type: "vm", state: "running" })).includes("ask"));
});

test("a screen that is lost as its guest crashes is looked for at once", () => {
  const session = connected();
  close(session, 4007);
  assert.equal(session.phase, "waiting");
  assert.ok(kinds(session.dispatch({ type: "vm", state: "crashed" })).includes("ask"));
});

test("an unknown state is tried all the same", () => {
  assert.equal(begun({ vmState: "unknown" }).session.phase, "asking");
});

test("what an earlier attempt still says is ignored", () => {
  const session = connected();
  const turn = session.turn;
  close(session, 4006);
  session.dispatch({ type: "retry" });
  session.dispatch({ type: "ticket", turn: session.turn, session: "s1", url: "/ws/x", mode: "control" });
  assert.deepEqual(session.dispatch({ type: "closed", turn, code: 4001, reason: "", now: 0 }), []);
  assert.equal(session.phase, "opening");
});

test("a close without a reason makes the page ask Eve why", () => {
  const session = connected();
  const effects = close(session, 1006);
  assert.deepEqual(effects, [{ do: "look-up", session: "s1", turn: session.turn }]);
  assert.equal(session.phase, "checking");
  session.dispatch({ type: "looked_up", turn: session.turn, state: "ended", code: 4001, reason: "logout" });
  assert.equal(session.cause.key, "access_ended");
  assert.equal(session.phase, "ended");
});

test("a broken line is retried with the session it had", () => {
  const session = connected();
  close(session, 1006);
  session.dispatch({ type: "looked_up", turn: session.turn, state: "open", code: null, reason: "" });
  assert.equal(session.cause.key, "network");
  const effects = session.dispatch({ type: "elapsed", turn: session.turn });
  assert.equal(effects.at(-1).resume, "s1");
});

test("no answer at all is the network's fault, also while looking why", () => {
  const session = connected();
  close(session, 1005);
  session.dispatch({ type: "unreachable", turn: session.turn });
  assert.equal(session.cause.key, "network");
  assert.equal(session.phase, "waiting");
});

test("Eve answers, but the websocket never got through: said as such", () => {
  const { session } = begun();
  session.dispatch({ type: "ticket", turn: 1, session: "s1", url: "/ws/x", mode: "control" });
  close(session, 1006);
  session.dispatch({ type: "refused", turn: session.turn, problem: { status: 404 } });
  assert.equal(session.cause.key, "blocked");
  assert.equal(session.session, null);
});

test("signed out while looking why ends it", () => {
  const session = connected();
  close(session, 1006);
  const effects = session.dispatch({ type: "refused", turn: session.turn, problem: { status: 401 } });
  assert.equal(session.cause.key, "signed_out");
  assert.ok(kinds(effects).includes("clear"));
});

for (const code of [4001, 4002, 4003, 4008, 4009]) {
  test(`${code} takes the picture away and does not retry`, () => {
    const session = connected();
    const effects = close(session, code);
    assert.ok(kinds(effects).includes("clear"));
    assert.ok(!kinds(effects).includes("wait"));
    assert.equal(session.phase, "ended");
  });
}

test("waits grow 1, 2, 4, 8, then stay at 10 s", () => {
  const session = connected();
  const waits = [];
  close(session, 4006);
  for (let turn = 0; turn < 6; turn += 1) {
    waits.push(session.waitMs);
    session.dispatch({ type: "elapsed", turn: session.turn });
    session.dispatch({ type: "unreachable", turn: session.turn });
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
});

for (const code of [4006, 4014]) {
  test(`a host that Eve knows to be away is left alone until it is back, after ${code}`, () => {
    const session = connected();
    close(session, code);
    assert.equal(session.waitMs, 1000);
    session.dispatch({ type: "vm", state: "unknown" });
    session.dispatch({ type: "elapsed", turn: session.turn });
    session.dispatch({ type: "ticket", turn: session.turn, session: "s1", url: "/ws/x", mode: "control" });
    close(session, code);
    assert.equal(session.waitMs, 60_000);
    assert.ok(kinds(session.dispatch({ type: "vm", state: "running" })).includes("ask"));
    close(session, code);
    session.dispatch({ type: "ticket", turn: session.turn, session: "s1", url: "/ws/x", mode: "control" });
    close(session, code);
    assert.equal(session.waitMs, 4000);
  });
}

test("a line that broke is tried again soon, whatever Eve knows of the VM", () => {
  const session = connected({ vmState: "unknown" });
  session.dispatch({ type: "retry" });
  close(session, 1012);
  assert.equal(session.waitMs, 1000);
});

test("jitter keeps the wait within a quarter, and never above 10 s", () => {
  for (const random of [0, 0.999]) {
    const session = connected({ random: () => random });
    close(session, 4006);
    assert.ok(session.waitMs >= 750 && session.waitMs <= 1250);
    session.attempt = 9;
    session.dispatch({ type: "elapsed", turn: session.turn });
    session.dispatch({ type: "unreachable", turn: session.turn });
    assert.ok(session.waitMs <= 10_000);
  }
});

test("a console that flaps keeps waiting longer; one that was steady starts anew", () => {
  const session = connected();
  session.attempt = 3;
  close(session, 4011, { now: 9_999 });
  assert.equal(session.waitMs, 8000);
  const steady = connected();
  steady.attempt = 3;
  close(steady, 4011, { now: 10_000 });
  assert.equal(steady.waitMs, 1000);
});

test("a hidden page waits until somebody looks", () => {
  const session = connected();
  close(session, 4006);
  session.dispatch({ type: "hidden" });
  assert.deepEqual(session.dispatch({ type: "elapsed", turn: session.turn }), []);
  assert.ok(kinds(session.dispatch({ type: "visible" })).includes("ask"));
});

test("coming back before the wait is over does not hurry it", () => {
  const session = connected();
  close(session, 4006);
  session.dispatch({ type: "hidden" });
  assert.deepEqual(session.dispatch({ type: "visible" }), []);
  assert.equal(session.phase, "waiting");
});

test("the network coming back is used at once", () => {
  const session = connected();
  close(session, 4006);
  assert.ok(kinds(session.dispatch({ type: "online" })).includes("ask"));
});

test("the display is lost because the VM went off", () => {
  const session = connected();
  close(session, 4007);
  assert.equal(session.phase, "waiting");
  session.dispatch({ type: "vm", state: "off" });
  assert.equal(session.phase, "off");
  assert.equal(session.session, null);
});

test("a slow line lowers the quality", () => {
  assert.ok(kinds(close(connected(), 4010)).includes("lower-quality"));
});

test("another mode is another session", () => {
  const session = connected();
  const effects = session.dispatch({ type: "mode", mode: "view" });
  assert.deepEqual(kinds(effects), ["close", "cancel-wait", "ask"]);
  assert.equal(effects.at(-1).mode, "view");
  assert.equal(effects.at(-1).resume, null);
});

test("the mode is what the ticket grants", () => {
  const { session } = begun();
  session.dispatch({ type: "ticket", turn: 1, session: "s1", url: "/ws/x", mode: "view" });
  assert.equal(session.mode, "view");
});

test("retry does nothing while it is under way", () => {
  assert.deepEqual(connected().dispatch({ type: "retry" }), []);
});

test("problems: close codes first, then the status", () => {
  assert.equal(causeOfProblem({ status: 429, close_code: 4012, detail: "16 are open." }).key, "too_many");
  assert.equal(causeOfProblem({ status: 401 }).key, "signed_out");
  assert.equal(causeOfProblem({ status: 403, code: "not_allowed" }).key, "not_allowed");
  assert.equal(causeOfProblem({ status: 403, code: "permission_denied" }).key, "signed_out");
  assert.equal(causeOfProblem({ status: 404 }).key, "vm_gone");
  assert.deepEqual(
    [causeOfProblem({ status: 429, retry_after: 7 }).key, causeOfProblem({ status: 429, retry_after: 7 }).afterMs],
    ["busy", 7000],
  );
  assert.equal(causeOfProblem({ status: 503 }).key, "unavailable");
  assert.equal(causeOfProblem({ status: 500 }).key, "fault");
  assert.equal(causeOfProblem({ status: 409, detail: "No." }).then, "end");
});

test("a server that asks for patience gets it", () => {
  const { session } = begun();
  session.dispatch({ type: "refused", turn: 1, problem: { status: 429, retry_after: 30 } });
  assert.equal(session.waitMs, 30_000);
});

test("combinations go down in order and up in reverse", () => {
  const sent = [];
  press(combination("Control+Alt+F2"), (keysym, code, down) => sent.push(`${code}${down ? "+" : "-"}`));
  assert.deepEqual(sent, ["ControlLeft+", "AltLeft+", "F2+", "F2-", "AltLeft-", "ControlLeft-"]);
  assert.throws(() => combination("Hyper+X"));
});

test("characters become the keys of a US keyboard, with Shift where it is needed", () => {
  assert.deepEqual(keysFor("a"), [[0x61, "KeyA"]]);
  assert.deepEqual(keysFor("A"), [KEYS.Shift, [0x41, "KeyA"]]);
  assert.deepEqual(keysFor("$"), [KEYS.Shift, [0x24, "Digit4"]]);
  assert.deepEqual(keysFor("~"), [KEYS.Shift, [0x7e, "Backquote"]]);
  assert.deepEqual(keysFor(" "), [[0x20, "Space"]]);
  assert.deepEqual(keysFor("\n"), [KEYS.Enter]);
  assert.deepEqual(keysFor("ü"), [[0xfc, ""]]);
  assert.deepEqual(keysFor("€"), [[0x010020ac, ""]]);
});

test("an on-screen keyboard's corrections are taken back and typed anew", () => {
  assert.deepEqual(difference("___", "___a"), { back: 0, text: ["a"] });
  assert.deepEqual(difference("___", "__"), { back: 1, text: [] });
  assert.deepEqual(difference("__teh", "__the"), { back: 2, text: ["h", "e"] });
  assert.deepEqual(difference("_", "_😀"), { back: 0, text: ["😀"] });
});

test("only what a state allows can be asked for", () => {
  assert.deepEqual(ACTIONS_IN.off, ["start"]);
  assert.ok(!ACTIONS_IN.running.includes("start"));
  assert.equal(ACTIONS_IN.unknown, undefined);
});

test("a serial line is taken only when the person asks", () => {
  const { session } = begun();
  session.dispatch({ type: "ticket", turn: session.turn, session: "s1", url: "/ws/x", mode: "control" });
  close(session, 4015);
  assert.equal(session.phase, "ended");
  const [retried] = session.dispatch({ type: "retry" }).filter((effect) => effect.do === "ask");
  assert.equal(retried.force, undefined);
  session.dispatch({ type: "ticket", turn: session.turn, session: "s2", url: "/ws/x", mode: "control" });
  close(session, 4015);
  const [forced] = session.dispatch({ type: "force" }).filter((effect) => effect.do === "ask");
  assert.equal(forced.force, true);
  assert.deepEqual(session.dispatch({ type: "force" }), [], "once is enough");
});

test("the keyboard comes and goes without another connection", () => {
  const session = connected();
  assert.deepEqual(session.dispatch({ type: "told_mode", mode: "view" }), []);
  assert.equal(session.mode, "view");
  assert.equal(session.phase, "connected");
  close(session, 1006);
  session.dispatch({ type: "told_mode", mode: "control" });
  assert.equal(session.mode, "view", "a session that broke off is told nothing");
});
