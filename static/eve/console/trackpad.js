// The trackpad below the picture: fingers on it move the guest's pointer, as on a laptop. noVNC hears of gestures as if the fingers were
// on its canvas, where the pointer is.

import { Touches } from "./touches.js";

const LEAST_HEIGHT = 120;
const MOST_HEIGHT = 320;
const AROUND = 24;
const EDGES = 4; // between the picture and its frame (console.css)
const SCROLL_FACTOR = 2;
const BUTTONS = { left: "drag", right: "longpress" };

/**
 * How high the picture's frame is above the trackpad; null where there is no room for both.
 * @param {{width: number, height: number}} room
 * @param {{width: number, height: number}} picture  in the guest's own pixels
 * @param {number|null} scale  pixels of the page for one of the guest's, if it is not as wide as the room
 */
export function frameHeight(room, picture, scale) {
  const fitting = room.width / picture.width;
  const [least, most] = [room.height - AROUND - MOST_HEIGHT, room.height - AROUND - LEAST_HEIGHT];
  const heightAt = (each) => Math.ceil(picture.height * each) + EDGES;
  if (heightAt(fitting) > most) return null;
  return Math.min(most, Math.max(least, heightAt(Math.max(fitting, scale ?? 0))));
}

export class Trackpad {
  #isOn = false;
  #place = null; // of the pointer, in the guest's pixels
  #button = "";
  #touches = new Touches(this);
  #sizes = new ResizeObserver(() => this.fit());

  /**
   * @param {HTMLElement} pad
   * @param {HTMLElement} stage  has the pad, and the picture's frame
   * @param {import("./screen.js").Screen} screen
   */
  constructor({ pad, stage, screen }) {
    Object.assign(this, { pad, stage, screen });
    this.mark = document.createElement("i");
    this.mark.className = "pad-pointer";
    const fingers = ({ targetTouches }) => [...targetTouches].map(({ clientX: x, clientY: y }) => ({ x, y }));
    const steps = { touchstart: "down", touchmove: "move", touchend: "up", touchcancel: "cancel" };
    for (const [type, step] of Object.entries(steps)) {
      const hear = (event) => {
        event.preventDefault(); // no click follows, and no focus: the on-screen keyboard stays
        if (type === "touchstart") screen.touched();
        this.#touches[step](fingers(event), event.timeStamp);
      };
      pad.addEventListener(type, hear, { passive: false });
    }
    for (const type of ["touchstart", "touchmove"]) {
      screen.target.addEventListener(type, (event) => this.#touchedDirectly(event), { capture: true, passive: true });
    }
    this.#sizes.observe(stage);
  }

  /** Whether there is a guest whose pointer may be moved. */
  use(isOn) {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    this.#touches.cancel();
    this.#place = null;
    this.mark.remove();
    if (isOn) this.#sizes.observe(this.screen.canvas);
    this.fit();
  }

  /** Takes what room the picture leaves. */
  fit() {
    const { canvas, scale } = this.screen;
    const isWanted = this.#isOn && canvas?.width && matchMedia("(pointer: coarse) and (orientation: portrait)").matches;
    const room = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    const height = isWanted ? frameHeight(room, canvas, scale) : null;
    this.pad.hidden = height === null;
    if (height === null) this.stage.style.removeProperty("--picture");
    else this.stage.style.setProperty("--picture", `${height}px`);
    if (this.#place && this.pad.hidden) this.#touches.cancel();
    this.#show();
  }

  // ---------------------------------------------------------------------------------------------- what Touches tells

  move(x, y) {
    const scale = this.#box.width / this.screen.canvas.width;
    const place = this.#pointer;
    this.#put(place.x + x / scale, place.y + y / scale);
    this.screen.reveal(this.#place);
    this.#tellGesture("gesturemove", BUTTONS.left); // which began only where its button was pressed
    this.#show();
  }

  press(button) {
    this.#button = button;
    this.#put(this.#pointer.x, this.#pointer.y);
    this.#tellGesture("gesturestart", BUTTONS[button]);
    this.#show();
  }

  release() {
    this.#tellGesture("gestureend", BUTTONS[this.#button]);
    this.#button = "";
    this.#show();
  }

  scroll(x, y) {
    const way = { deltaX: -x * SCROLL_FACTOR, deltaY: -y * SCROLL_FACTOR };
    this.screen.canvas?.dispatchEvent(new WheelEvent("wheel", { cancelable: true, ...this.#onPage, ...way }));
  }

  pinch(step, distance) {
    this.#tellGesture(`gesture${step}`, "pinch", { magnitudeX: distance, magnitudeY: 0 });
  }

  // ---------------------------------------------------------------------------------------------- the pointer

  /** The picture, on the page. */
  get #box() {
    return this.screen.canvas.getBoundingClientRect();
  }

  /** Where the pointer is: at first in the middle of what is seen. */
  get #pointer() {
    if (!this.#place) {
      const frame = this.stage.getBoundingClientRect();
      this.#put(...this.#inPicture(frame.left + frame.width / 2, frame.top + (this.pad.offsetTop - AROUND) / 2));
    }
    return this.#place;
  }

  /** A place on the page, in the guest's pixels. */
  #inPicture(x, y) {
    const { left, top, width } = this.#box;
    const scale = width / this.screen.canvas.width;
    return [(x - left) / scale, (y - top) / scale];
  }

  /** Puts it there, or at the picture's edge. */
  #put(x, y) {
    const { width, height } = this.screen.canvas;
    this.#place = { x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y)) };
  }

  /** Where it is on the page: the middle of the guest's pixel. */
  get #onPage() {
    const { left, top, width } = this.#box;
    const scale = width / this.screen.canvas.width;
    const [x, y] = [this.#pointer.x, this.#pointer.y].map((each) => (Math.floor(each) + 0.5) * scale);
    return { clientX: left + x, clientY: top + y };
  }

  #tellGesture(step, type, values = {}) {
    this.screen.canvas?.dispatchEvent(new CustomEvent(step, { detail: { type, ...this.#onPage, ...values } }));
  }

  /** Marks where it is: on a text screen the guest draws none. */
  #show() {
    if (!this.#place || this.pad.hidden) {
      this.mark.remove();
      return;
    }
    const { target } = this.screen;
    const { left, top } = target.getBoundingClientRect();
    const { clientX, clientY } = this.#onPage;
    if (!this.mark.parentElement) target.append(this.mark);
    this.mark.classList.toggle("down", this.#button !== "");
    this.mark.style.transform = `translate(${clientX - left}px, ${clientY - top}px)`;
  }

  /** A finger on the picture itself puts the pointer where it is. */
  #touchedDirectly({ targetTouches }) {
    if (this.pad.hidden || targetTouches.length !== 1) return;
    this.#put(...this.#inPicture(targetTouches[0].clientX, targetTouches[0].clientY));
    this.mark.remove();
  }
}
