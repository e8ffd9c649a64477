// A serial line: xterm.js on a websocket that this page opens itself, so that the close code is seen. What was on it stays when it reconnects.

import { sequence, withControl } from "./sequences.js";

/** Nothing comes of a silent guest: a line that was not refused for so long is open. */
const OPEN_AFTER_MS = 500;
const SCROLL_BACK_LINES = 10_000;

export class Line {
  #terminal = null;
  #fit = null;
  #socket = null;
  #loading = null;
  #viewOnly = true;
  #isControlHeld = false;

  /**
   * @param {HTMLElement} target where the terminal goes
   * @param {string} library the address of xterm.mjs
   * @param {string} fitting the address of addon-fit.mjs
   * @param {string} again what is written between two connections
   * @param {(event: object) => void} tell gets host, screen and closed, each with its turn
   * @param {() => void} typed is called when a person typed
   */
  constructor({ target, library, fitting, again, tell, typed }) {
    Object.assign(this, { target, library, fitting, again, tell, typed });
    this.hasShown = false;
  }

  get size() {
    return { rows: this.#terminal?.rows ?? 24, columns: this.#terminal?.cols ?? 80 };
  }

  load() {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #load() {
    const [{ Terminal }, { FitAddon }] = await Promise.all([import(this.library), import(this.fitting)]);
    const terminal = new Terminal({
      scrollback: SCROLL_BACK_LINES,
      fontFamily: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: 15,
      minimumContrastRatio: 4.5, // a guest's dark blue is to be read as well
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      screenReaderMode: true,
      theme: { background: "#07090c" },
      linkHandler: { activate: () => {} }, // what a guest writes leads nowhere
    });
    this.#fit = new FitAddon();
    terminal.loadAddon(this.#fit);
    terminal.open(this.target);
    terminal.onData((text) => this.#type(text));
    terminal.onBinary((text) => this.#sendBytes(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    new ResizeObserver(() => this.#fit.fit()).observe(this.target);
    this.#fit.fit();
    this.#terminal = terminal;
  }

  /** Opens the console whose path and query Eve gave; nothing of this page's own address is used. */
  async open(path, turn) {
    this.close();
    const url = new URL(path, location.origin);
    if (url.origin !== location.origin || !url.pathname.startsWith("/ws/")) throw new Error("not a console of Eve's");
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    await this.load();
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let isOpen = false;
    let timer = 0;
    const opened = () => {
      clearTimeout(timer);
      if (isOpen || this.#socket !== socket) return;
      isOpen = true;
      this.tell({ type: "host", turn });
      if (this.hasShown) this.#terminal.write(`\r\n\x1b[0;90m— ${this.again} —\x1b[0m\r\n`);
      this.hasShown = true;
      this.tell({ type: "screen", turn, now: performance.now() });
    };
    socket.addEventListener("open", () => {
      timer = setTimeout(opened, OPEN_AFTER_MS);
    });
    socket.addEventListener("message", ({ data }) => {
      opened();
      this.#terminal.write(new Uint8Array(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(timer);
      this.tell({ type: "closed", turn, code, reason, now: performance.now() });
    });
  }

  set viewOnly(value) {
    this.#viewOnly = value;
    if (value) this.#isControlHeld = false;
  }

  #type(text) {
    this.send(this.#isControlHeld && text.length === 1 ? withControl(text) : text);
    this.typed();
  }

  /** What a person typed, or a button says for them. */
  send(text) {
    this.#sendBytes(new TextEncoder().encode(text));
  }

  /** Presses a key, or one with Ctrl, by its name. */
  press(name) {
    this.send(sequence(name, this.#terminal?.modes.applicationCursorKeysMode));
  }

  /** Holds Ctrl, the one key that a line knows to be held. */
  hold(_name, isHeld) {
    this.#isControlHeld = isHeld;
  }

  #sendBytes(bytes) {
    if (!this.#viewOnly && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  /** Ends the console from this side. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close(1000);
  }

  /** Takes away all that was on it: permission has ended. */
  clear() {
    this.close();
    this.#terminal?.reset();
    this.hasShown = false;
  }

  /** All that was on it, as far back as it is kept. */
  get text() {
    const lines = [];
    const buffer = this.#terminal?.buffer.normal;
    for (let at = 0; at < (buffer?.length ?? 0); at += 1) {
      const line = buffer.getLine(at);
      if (line.isWrapped && lines.length) lines.push(lines.pop() + line.translateToString(true));
      else lines.push(line.translateToString(true));
    }
    return `${lines.join("\n").trimEnd()}\n`;
  }

  focus() {
    this.#terminal?.focus();
  }

  /** Gives the keyboard back to the page. */
  blur() {
    this.#terminal?.blur();
  }
}
