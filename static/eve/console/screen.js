// The picture: noVNC on a websocket that this page opens itself, so that the close code is seen.

import { combination, press } from "./keys.js";
import { Zoom } from "./zoom.js";

const GHOST_MAX_SIDE = 1600;

export class Screen {
  #rfb = null;
  #socket = null;
  #RFB = null;
  #viewOnly = false;
  #isFitting = true;
  #takesFocus = true;
  #zoom;
  #quality = 6;
  #compression = 2;

  /**
   * @param {HTMLElement} target where the picture goes
   * @param {HTMLCanvasElement} ghost where the last picture stays, dimmed
   * @param {string} library the address of noVNC's core/rfb.js
   * @param {string} label what it is called
   * @param {(event: object) => void} tell gets host, screen and closed, each with its turn
   * @param {() => void} lowerQuality is called when it does not keep up
   * @param {(scale: number|null) => void} zoomed gets each new scale that fingers made, as Zoom tells it
   * @param {(text: string) => void} copied gets what was copied in the guest; nothing, once nobody here may know it any more
   */
  constructor({ target, ghost, library, label, tell, lowerQuality, zoomed, copied }) {
    Object.assign(this, { target, ghost, library, label, tell, lowerQuality, copied });
    const changed = (scale) => {
      this.#isFitting = true; // into what Zoom makes larger
      this.#scale();
      zoomed(scale);
    };
    this.#zoom = new Zoom({ frame: target.parentElement, target, changed });
    // What is down in the guest is let go when the screen loses the focus, or a key would stay down there for good.
    target.addEventListener("focusout", () => this.#releaseKeys());
  }

  get canvas() {
    return this.target.querySelector("canvas");
  }

  /** Loads noVNC; may be called early, so that the first console does not wait for it. */
  async load() {
    this.#RFB ??= (await import(this.library)).default;
    return this.#RFB;
  }

  /** Opens the console whose path and query Eve gave; nothing of this page's own address is used. */
  async open(path, turn) {
    this.close();
    const url = new URL(path, location.origin);
    if (url.origin !== location.origin || !url.pathname.startsWith("/ws/")) throw new Error("not a console of Eve's");
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const RFB = await this.load();

    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let isClosed = false;
    const closed = (code, reason) => {
      if (isClosed) return;
      isClosed = true;
      if (this.#socket === socket) this.#keepPicture();
      this.tell({ type: "closed", turn, code, reason, now: performance.now() });
    };
    // Before noVNC attaches its own: the picture has to be kept before noVNC takes it away.
    socket.addEventListener("message", () => this.tell({ type: "host", turn }), { once: true });
    socket.addEventListener("close", ({ code, reason }) => closed(code, reason));

    const rfb = new RFB(this.target, socket, { shared: true });
    this.#rfb = rfb;
    rfb.background = "transparent";
    this.#scale();
    rfb.qualityLevel = this.#quality;
    rfb.compressionLevel = this.#compression;
    rfb.viewOnly = this.#viewOnly;
    rfb.focusOnClick = this.#takesFocus;
    this.canvas?.setAttribute("aria-label", this.label);
    this.canvas?.setAttribute("role", "application");
    if (this.canvas) this.canvas.tabIndex = 0;
    rfb.addEventListener("connect", () => {
      this.forget();
      this.#zoom.place();
      this.tell({ type: "screen", turn, now: performance.now() });
    });
    rfb.addEventListener("clipboard", ({ detail }) => this.copied(detail.text));
    // Eve opens displays without a password. One that asks for it is not what Eve's agents give: no prompt, ever.
    for (const name of ["credentialsrequired", "serververification", "securityfailure"]) {
      rfb.addEventListener(name, () => {
        closed(4005, "");
        this.close();
      });
    }
    rfb.addEventListener("disconnect", ({ detail }) => {
      if (this.#rfb !== rfb) return;
      this.#rfb = null;
      // noVNC did not understand what came: as with a lost connection, Eve is asked why.
      if (!detail.clean) closed(1006, "");
    });
  }

  /** Ends the console from this side. */
  close() {
    const rfb = this.#rfb;
    const socket = this.#socket;
    this.#rfb = null;
    this.#socket = null;
    if (rfb) {
      try {
        rfb.disconnect();
      } catch {
        // It had ended already.
      }
    }
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close(1000);
  }

  /** Takes the last picture away. */
  forget() {
    this.ghost.hidden = true;
    this.ghost.width = this.ghost.height = 0;
  }

  /** Takes away all that came of the guest: permission has ended. */
  clear() {
    this.close();
    this.forget();
    this.copied("");
    this.target.replaceChildren();
  }

  #keepPicture() {
    const canvas = this.canvas;
    if (!canvas || canvas.width < 1 || canvas.height < 1) return;
    const scale = Math.min(1, GHOST_MAX_SIDE / Math.max(canvas.width, canvas.height));
    this.ghost.width = Math.max(1, Math.round(canvas.width * scale));
    this.ghost.height = Math.max(1, Math.round(canvas.height * scale));
    this.ghost.getContext("2d").drawImage(canvas, 0, 0, this.ghost.width, this.ghost.height);
    this.ghost.hidden = false;
  }

  // ---------------------------------------------------------------------------------------------- settings

  set viewOnly(value) {
    this.#viewOnly = value;
    if (this.#rfb) this.#rfb.viewOnly = value;
  }

  /** Whether the picture is scaled to the window; else it is shown 1:1. */
  set isFitting(value) {
    this.#isFitting = value;
    // A finger cannot reach a scroll bar of a picture that takes every touch: there, two fingers move it.
    this.#zoom.scale = !value && matchMedia("(pointer: coarse)").matches ? 1 : null;
    this.#scale();
  }

  #scale() {
    if (this.#rfb) this.#rfb.scaleViewport = this.#isFitting;
  }

  /** Pixels of the page for one of the guest's; null for what fits. */
  get scale() {
    return this.#zoom.scale;
  }

  /** Moves the view of a larger picture to where a place of it, in the guest's pixels, is seen. */
  reveal(place) {
    this.#zoom.reveal(place);
  }

  /** Whether a click or a tap gives it the keyboard. */
  set takesFocus(value) {
    this.#takesFocus = value;
    if (this.#rfb) this.#rfb.focusOnClick = value;
  }

  /** [JPEG quality, compression], each 0–9. */
  set quality([quality, compression]) {
    this.#quality = quality;
    this.#compression = compression;
    if (!this.#rfb) return;
    this.#rfb.qualityLevel = quality;
    this.#rfb.compressionLevel = compression;
  }

  /** Puts a text into the guest's clipboard. */
  give(text) {
    this.#rfb?.clipboardPasteFrom(text);
  }

  // ---------------------------------------------------------------------------------------------- keys

  focus() {
    this.#rfb?.focus({ preventScroll: true });
  }

  /** Gives it the keyboard as a touch of it does: unless the on-screen one is up. */
  touched() {
    if (this.#takesFocus) this.focus();
  }

  /** Gives the keyboard back to the page. */
  blur() {
    this.#rfb?.blur();
  }

  /** Lets go of every key that the guest was told is down. */
  #releaseKeys() {
    // noVNC releases its keys when the window loses focus; losing the canvas's focus is no different to the guest.
    window.dispatchEvent(new Event("blur"));
  }

  /** Sends one key, down or up. */
  key(keysym, code, down) {
    this.#rfb?.sendKey(keysym, code, down);
  }

  /** Presses keys together. */
  pressKeys(keys) {
    press(keys, (keysym, code, down) => this.key(keysym, code, down));
  }

  /** Presses a combination by its names. */
  press(names) {
    this.pressKeys(combination(names));
  }

  /** Holds a key down, or lets it go. */
  hold(name, isHeld) {
    const [[keysym, code]] = combination(name);
    this.key(keysym, code, isHeld);
  }

  ctrlAltDel() {
    this.#rfb?.sendCtrlAltDel();
  }
}
