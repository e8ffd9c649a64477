// What fingers on the console's trackpad mean: run by `node --test`, from tests/look/test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gain, Touches } from "../../static/eve/console/touches.js";
import { frameHeight } from "../../static/eve/console/trackpad.js";

/** Fingers, what they did to the pointer as short words, and a clock that the test sets. */
function padded(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const did = [];
  const touches = new Touches({
    move: (x, y) => did.push(`move ${Math.sign(x)} ${Math.sign(y)}`),
    press: (button) => did.push(button),
    release: () => did.push("release"),
    scroll: (x, y) => did.push(`scroll ${x} ${y}`),
    pinch: (step, distance) => did.push(`pinch ${step} ${distance}`),
  });
  let nowMs = 0;
  const wait = (ms) => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
  const at = (x, y) => ({ x, y });
  const act = {};
  for (const step of ["down", "move", "up"]) act[step] = (...fingers) => touches[step](fingers.map(([x, y]) => at(x, y)), nowMs);
  const said = () => did.splice(0);
  return { ...act, cancel: () => touches.cancel(), wait, said };
}

test("a tap presses, and lets go a moment later", (t) => {
  const { down, up, wait, said } = padded(t);
  down([50, 50]);
  up();
  assert.deepEqual(said(), ["left"]);
  wait(200);
  assert.deepEqual(said(), ["release"]);
  wait(2000);
  assert.deepEqual(said(), []);
});

test("two taps are two clicks, and so are three", (t) => {
  const { down, up, wait, said } = padded(t);
  for (const each of [1, 2, 3]) {
    down([50, 50 + each]);
    wait(50);
    up();
    wait(100);
  }
  wait(100);
  assert.deepEqual(said(), ["left", "release", "left", "release", "left", "release"]);
});

test("a finger that wanders a little still taps", (t) => {
  const { down, move, up, said } = padded(t);
  down([50, 50]);
  move([53, 52]);
  up();
  assert.deepEqual(said(), ["left"]);
});

test("after a tap, a finger that moves or stays drags until it is lifted, whatever else touches", (t) => {
  const { down, move, up, wait, said } = padded(t);
  for (const begin of [() => move([55, 50]), () => wait(600)]) {
    down([50, 50]);
    up();
    wait(100);
    down([50, 50]);
    begin();
    move([90, 50]);
    down([90, 50], [10, 10]);
    up([10, 10]);
    wait(1000);
    move([20, 10]);
    assert.deepEqual(said(), ["left", "move 1 0", "move 1 0"]);
    up();
    assert.deepEqual(said(), ["release"]);
  }
});

test("what stays is a right click, once, and the finger then moves on", (t) => {
  const { down, move, up, wait, said } = padded(t);
  down([50, 50]);
  wait(600);
  assert.deepEqual(said(), ["right", "release"]);
  wait(2000);
  move([50, 80]);
  up();
  assert.deepEqual(said(), ["move 0 1"]);
  down([50, 50]);
  wait(600);
  up();
  wait(2000);
  assert.deepEqual(said(), ["right", "release"], "and no click when it is lifted");
});

test("a finger that moves does nothing when it is lifted, however soon", (t) => {
  const { down, move, up, wait, said } = padded(t);
  down([50, 50]);
  move([70, 50]);
  move([90, 50]);
  up();
  wait(2000);
  assert.deepEqual(said(), ["move 1 0", "move 1 0"]);
});

test("two fingers scroll, make larger, or click right, and the one that is left does nothing", (t) => {
  const { down, move, up, wait, said } = padded(t);
  down([50, 50]);
  down([50, 50], [90, 50]);
  move([50, 56], [90, 56]);
  move([50, 70], [90, 70]);
  move([50, 75], [90, 75]);
  up([50, 75]);
  move([10, 10]);
  up();
  assert.deepEqual(said(), ["scroll 0 14", "scroll 0 5"]);
  down([50, 50]);
  down([50, 50], [90, 50]);
  move([40, 50], [100, 50]);
  move([30, 50], [110, 50]);
  up([30, 50]);
  up();
  assert.deepEqual(said(), ["pinch start 60", "pinch move 60", "pinch move 80", "pinch end 0"]);
  down([50, 50]);
  down([50, 50], [90, 50]);
  wait(80);
  up([50, 50]);
  up();
  assert.deepEqual(said(), ["right", "release"]);
  down([50, 50]);
  down([50, 50], [90, 50]);
  down([50, 50], [90, 50], [130, 50]);
  up();
  wait(2000);
  assert.deepEqual(said(), []);
});

test("what is taken away lets go", (t) => {
  const { down, move, up, cancel, said } = padded(t);
  down([50, 50]);
  up();
  down([50, 50]);
  move([70, 50]);
  cancel();
  move([90, 50]);
  assert.deepEqual(said(), ["left", "move 1 0", "release"]);
});

test("the faster the finger, the further the pointer, up to a point", () => {
  assert.ok(gain(0) < 1 && gain(0.5) > gain(0.1));
  assert.equal(gain(5), gain(50));
});

test("the picture's frame leaves a trackpad room, where there is enough", () => {
  const phone = { width: 390, height: 571 };
  const guest = { width: 1280, height: 800 };
  assert.equal(frameHeight(phone, guest, null), 248, "as wide as the phone");
  assert.equal(frameHeight(phone, guest, 0.4), 324, "made larger");
  assert.equal(frameHeight(phone, guest, 4), 427, "not at the cost of the whole trackpad");
  assert.equal(frameHeight({ width: 820, height: 1132 }, guest, null), 788, "a tablet's is no larger than a hand needs");
  assert.equal(frameHeight({ width: 844, height: 290 }, guest, null), null, "a phone on its side");
  assert.equal(frameHeight({ width: 390, height: 300 }, guest, null), null, "with the keyboard up");
});
