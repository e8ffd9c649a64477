// How large the picture is, and which part of it is seen: two fingers make it larger and move it, as everywhere on a touch screen.
//
// noVNC fits its canvas into the element it was given, and reckons with where that is on the page. So it is that element which grows
// and moves here, behind its frame.

const LARGEST = 8; // pixels of the page for one of the guest's
const AS_GOOD_AS_FITTING = 1.03;
const MARGIN = 40; // around what is to be seen

/** Sets where a picture lies, on one axis: it covers the frame, or as much of it as it can. */
const within = (at, size, frame) => Math.min(0, Math.max(frame - size, at));

export class Zoom {
  #scale = null;
  #left = 0;
  #top = 0;
  #gesture = null;

  /**
   * @param {HTMLElement} frame  what it is seen through
   * @param {HTMLElement} target what holds noVNC's canvas
   * @param {(scale: number|null) => void} changed gets each new scale that fingers made: pixels of the page for one of the guest's, or null for what fits
   */
  constructor({ frame, target, changed }) {
    Object.assign(this, { frame, target, changed });
    for (const type of ["gesturestart", "gesturemove", "gestureend"]) {
      // Before noVNC, which would scroll the guest with Ctrl down for a pinch.
      target.addEventListener(type, (event) => this.#hear(event), { capture: true });
    }
    new ResizeObserver(() => this.place()).observe(frame);
  }

  /** Pixels of the page for one of the guest's; null for what fits the frame. */
  get scale() {
    return this.#scale;
  }

  set scale(value) {
    this.#scale = value;
    this.#left = this.#top = 0;
    this.place();
  }

  get #canvas() {
    return this.target.querySelector("canvas");
  }

  /** The frame without its padding, on the page. */
  get #room() {
    const { left, top } = this.frame.getBoundingClientRect();
    const padding = Number.parseFloat(getComputedStyle(this.frame).paddingLeft);
    const { clientWidth, clientHeight } = this.frame;
    return { left: left + padding, top: top + padding, width: clientWidth - 2 * padding, height: clientHeight - 2 * padding };
  }

  /** The scale at which the whole picture is seen. */
  get #fitting() {
    const { width, height } = this.#canvas ?? { width: 0, height: 0 };
    const room = this.#room;
    return width && height ? Math.min(room.width / width, room.height / height) : 1;
  }

  /** Places it anew: the frame or the picture has another size. */
  place() {
    const { style } = this.target;
    if (this.#scale === null || !this.#canvas) {
      style.width = style.height = style.transform = "";
      return;
    }
    const room = this.#room;
    const width = Math.max(room.width, this.#canvas.width * this.#scale);
    const height = Math.max(room.height, this.#canvas.height * this.#scale);
    this.#left = within(this.#left, width, room.width);
    this.#top = within(this.#top, height, room.height);
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `translate(${this.#left}px, ${this.#top}px)`;
  }

  /** Moves the view as far as it takes to see a place of the picture, in the guest's pixels. */
  reveal({ x, y }) {
    if (this.#scale === null) return;
    const { width, height } = this.#room;
    const near = (at, place, size) => Math.min(size - MARGIN - place, Math.max(MARGIN - place, at));
    this.#left = near(this.#left, x * this.#scale, width);
    this.#top = near(this.#top, y * this.#scale, height);
    this.place();
  }

  // ---------------------------------------------------------------------------------------------- fingers

  #hear(event) {
    const { type, clientX, clientY, magnitudeX, magnitudeY } = event.detail;
    if (type === "pinch") this.#pinch(event.type, clientX, clientY, Math.hypot(magnitudeX, magnitudeY));
    else if (type === "twodrag" && this.#isLarger) this.#drag(event.type, magnitudeX, magnitudeY);
    else return;
    event.stopPropagation();
  }

  get #isLarger() {
    return this.#scale !== null && this.#scale > this.#fitting;
  }

  /** noVNC tells a gesture once the fingers have moved a while: what they did till then is not made good, or the picture would jump. */
  #pinch(type, x, y, distance) {
    if (type === "gesturestart") {
      const { left, top, width, height } = this.#canvas.getBoundingClientRect();
      this.#gesture = { across: (x - left) / width, down: (y - top) / height, scale: this.#scale ?? this.#fitting };
      return;
    }
    if (type === "gestureend" || !this.#gesture) return;
    this.#gesture.distance ??= distance;
    const { across, down, scale, distance: before } = this.#gesture;
    const wanted = Math.min(LARGEST, (scale * distance) / before);
    const room = this.#room;
    this.#scale = wanted > this.#fitting * AS_GOOD_AS_FITTING ? wanted : null;
    this.#left = x - room.left - across * this.#canvas.width * wanted;
    this.#top = y - room.top - down * this.#canvas.height * wanted;
    this.changed(this.#scale);
    this.place();
  }

  #drag(type, x, y) {
    if (type === "gesturemove" && this.#gesture) {
      const { last } = this.#gesture;
      if (last) {
        this.#left += x - last.x;
        this.#top += y - last.y;
        this.place();
      }
    }
    this.#gesture = { last: type === "gesturemove" ? { x, y } : null };
  }
}
