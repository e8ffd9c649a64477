// A websocket as a line that one can wait on: opened, what comes next, closed.

export class Line {
  #waiting = [];
  #came = [];

  constructor(url, protocols = []) {
    this.socket = new WebSocket(url, protocols);
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => {
      this.socket.addEventListener("open", () => resolve(true));
      this.socket.addEventListener("close", () => resolve(false));
    });
    /** Resolves when it is closed: {code, reason}. */
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => {
        this.ending = { code, reason };
        resolve(this.ending);
        for (const give of this.#waiting.splice(0)) give(null);
      });
    });
    this.socket.addEventListener("message", ({ data }) => {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
      const give = this.#waiting.shift();
      if (give) give(bytes);
      else this.#came.push(bytes);
    });
  }

  /** Whether it opened within that time. */
  async opens(ms) {
    return (await within(ms, this.opened)) === true;
  }

  /** The next message's bytes, or null where none comes in that time or it is closed. */
  async next(ms) {
    if (this.#came.length) return this.#came.shift();
    if (this.ending) return null;
    const message = new Promise((resolve) => this.#waiting.push(resolve));
    return (await within(ms, message)) ?? null;
  }

  send(bytes) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  close() {
    this.socket.close(1000);
  }
}

/** What `promise` resolves to, or undefined after `ms`. */
export function within(ms, promise) {
  let timer = 0;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
