// The VM's state: from the live websocket, and by asking while that is away or nothing may be missed.

import { Latency } from "./latency.js";

const POLL_MS = 3000;
const RETRY_MS = [1000, 2000, 4000, 8000, 10_000];

export class Watch {
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #isClosed = false;

  /**
   * @param {string} liveUrl path of the live websocket
   * @param {string} vm the VM's id
   * @param {() => Promise<{state: string}>} ask asks for the state
   * @param {(state: string) => void} tell gets each state that was learnt
   * @param {(problem: object) => void} refused is told why a state may not be learnt
   * @param {() => void} viewers is called when somebody else may be watching now
   * @param {Iterable<HTMLElement>} latencies show how far away Eve is
   */
  constructor({ liveUrl, vm, ask, tell, refused, viewers, latencies }) {
    this.liveUrl = liveUrl;
    this.vm = vm;
    this.ask = ask;
    this.tell = tell;
    this.refused = refused;
    this.viewers = viewers;
    this.latency = new Latency({ ask: () => this.#ping(), places: latencies });
    /** Whether to ask again and again: while the VM is off, or work on it is under way. */
    this.isEager = false;
    /** Whether to leave Eve alone: what one may not see any more is not asked for again and again. */
    this.isPaused = false;
  }

  start() {
    this.#connect();
    this.#poll();
  }

  stop() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  /** Asks once, now. */
  async now() {
    try {
      const { state } = await this.ask();
      if (state) this.tell(state);
    } catch ({ problem }) {
      if (problem) this.refused(problem); // a state that is not known stays as it was
    }
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send("ping");
    return true;
  }

  async #poll() {
    if (this.#isClosed) return;
    const isLive = this.#socket?.readyState === WebSocket.OPEN;
    if (!document.hidden && !this.isPaused && (this.isEager || !isLive)) await this.now();
    this.#timer = setTimeout(() => this.#poll(), this.isEager || !isLive ? POLL_MS : POLL_MS * 5);
  }

  #connect() {
    if (this.#isClosed || !this.liveUrl) return; // guests have none: the state is asked for
    if (this.isPaused) {
      setTimeout(() => this.#connect(), POLL_MS);
      return;
    }
    const url = new URL(this.liveUrl, location.origin);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#attempt = 0;
      this.now();
      this.viewers();
      this.latency.look();
    });
    socket.addEventListener("message", ({ data }) => {
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      if (message.type === "pong") this.latency.answered();
      if (message.type === "vm" && message.id === this.vm && typeof message.state === "string") this.tell(message.state);
      if (message.type === "access" || (message.type === "viewers" && message.id === this.vm)) this.viewers();
    });
    socket.addEventListener("close", () => {
      if (this.#isClosed) return;
      this.latency.lost();
      const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
      this.#attempt += 1;
      setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
    });
  }
}
