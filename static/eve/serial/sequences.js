// What a terminal sends for the keys that a phone's keyboard lacks: xterm's control sequences (invisible-island.net/xterm/ctlseqs).

const ESCAPE = "\x1b";
const PLAIN = { Escape: ESCAPE, Tab: "\t" };
const LETTERS = { Up: "A", Down: "B", Right: "C", Left: "D", Home: "H", End: "F" };
const FUNCTION_LETTERS = { F1: "P", F2: "Q", F3: "R", F4: "S" };
const FUNCTION_NUMBERS = { F5: 15, F6: 17, F7: 18, F8: 19, F9: 20, F10: 21, F11: 23, F12: 24 };

/** What a character sends while Ctrl is down: "c" ends a program. What Ctrl does nothing to stays as it is. */
export function withControl(character) {
  const code = character.toUpperCase().charCodeAt(0);
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : character;
}

/** What that key sends, such as "Up", "F5" or "Control+c". With `isApplication` (DECCKM) programs want the other form of arrows. */
export function sequence(name, isApplication = false) {
  if (name.startsWith("Control+")) return withControl(name.slice("Control+".length));
  if (PLAIN[name]) return PLAIN[name];
  if (LETTERS[name]) return `${ESCAPE}${isApplication ? "O" : "["}${LETTERS[name]}`;
  if (FUNCTION_LETTERS[name]) return `${ESCAPE}O${FUNCTION_LETTERS[name]}`;
  if (FUNCTION_NUMBERS[name]) return `${ESCAPE}[${FUNCTION_NUMBERS[name]}~`;
  throw new Error(`unknown key ${name}`);
}
