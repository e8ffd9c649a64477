// Keys: as X11 keysym and as the physical key (KeyboardEvent.code), which QEMU prefers.

/** name: [keysym, code] */
export const KEYS = Object.freeze({
  Escape: [0xff1b, "Escape"],
  Tab: [0xff09, "Tab"],
  Enter: [0xff0d, "Enter"],
  Backspace: [0xff08, "Backspace"],
  Delete: [0xffff, "Delete"],
  Home: [0xff50, "Home"],
  End: [0xff57, "End"],
  PageUp: [0xff55, "PageUp"],
  PageDown: [0xff56, "PageDown"],
  Left: [0xff51, "ArrowLeft"],
  Up: [0xff52, "ArrowUp"],
  Right: [0xff53, "ArrowRight"],
  Down: [0xff54, "ArrowDown"],
  PrintScreen: [0xff61, "PrintScreen"],
  Control: [0xffe3, "ControlLeft"],
  Alt: [0xffe9, "AltLeft"],
  Shift: [0xffe1, "ShiftLeft"],
  Super: [0xffeb, "MetaLeft"],
  ...Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`F${at + 1}`, [0xffbe + at, `F${at + 1}`]])),
});

/** The key combinations a menu names, such as "Control+Alt+F2", as a list of keys. Unknown names are an error. */
export function combination(text) {
  return text.split("+").map((name) => {
    const key = KEYS[name];
    if (!key) throw new Error(`unknown key ${name}`);
    return key;
  });
}

/** Presses the keys in order and releases them in reverse. `send` is (keysym, code, down). */
export function press(keys, send) {
  for (const [keysym, code] of keys) send(keysym, code, true);
  for (const [keysym, code] of [...keys].reverse()) send(keysym, code, false);
}

const PLAIN = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ";
const SHIFTED = '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>? ';
const CODES = [
  "Backquote",
  ..."1234567890".split("").map((digit) => `Digit${digit}`),
  "Minus",
  "Equal",
  ..."QWERTYUIOP".split("").map((letter) => `Key${letter}`),
  "BracketLeft",
  "BracketRight",
  "Backslash",
  ..."ASDFGHJKL".split("").map((letter) => `Key${letter}`),
  "Semicolon",
  "Quote",
  ..."ZXCVBNM".split("").map((letter) => `Key${letter}`),
  "Comma",
  "Period",
  "Slash",
  "Space",
];

/**
 * The keys that type `character` on a US keyboard, as a combination; a lone keysym for what such a keyboard lacks.
 * An on-screen keyboard tells characters, not keys, and a guest that gets scan codes needs the Shift as well.
 */
export function keysFor(character) {
  if (character === "\n") return [KEYS.Enter];
  if (character === "\t") return [KEYS.Tab];
  const point = character.codePointAt(0);
  const keysym = point < 0x100 ? point : 0x01000000 | point;
  const plain = PLAIN.indexOf(character);
  if (plain >= 0) return [[keysym, CODES[plain]]];
  const shifted = SHIFTED.indexOf(character);
  if (shifted >= 0) return [KEYS.Shift, [keysym, CODES[shifted]]];
  return [[keysym, ""]];
}

/** What changed between two contents of a text field: how many characters to take back, and what to type. */
export function difference(before, after) {
  const was = [...before];
  const is = [...after];
  let same = 0;
  while (same < was.length && same < is.length && was[same] === is[same]) same += 1;
  return { back: was.length - same, text: is.slice(same) };
}
