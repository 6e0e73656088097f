// @ts-check
/* Sockets that reconnect automatically, and the word in the top bar that shows their state. */
import { byId, requiredIn } from "./dom.js";
import { ROOT, isLoggedOut, showLoggedOut } from "./page.js";

const FALL_BEHIND_MS = 2000; // the banner appears after this long without a connection
const LONGEST_WAIT_MS = 10000;
const HELLO_MS = 10000; // wait for the first frame; doubled with each attempt, because the server may be slow
const LONGEST_HELLO_MS = 60000;

/** @type {Set<Socket<any>>} */
export const sockets = new Set();

/** @template [F=Frame] what the server sends */
export class Socket {
  isOpen = false;
  everOpen = false;
  tries = 0;
  nextAt = 0;
  lostAt = Date.now();
  /** @type {WebSocket | null} */
  socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer;

  /**
   * Keep a socket open. Each attempt calls `path()` again, so that it resumes at the page's replay position.
   * `onMissed` is called when frames were missed: at each reconnection, and at the first opening if the greeting says
   * that something has changed since the page was rendered.
   * @param {() => string} path
   * @param {(frame: F) => void} onFrame
   * @param {() => void} onMissed
   * @param {{isExtra?: boolean}} [options] `isExtra`: the page is live without it, unless its connection fails
   */
  constructor(path, onFrame, onMissed, { isExtra = false } = {}) {
    this.path = path;
    this.onFrame = onFrame;
    this.onMissed = onMissed;
    this.isExtra = isExtra;
    sockets.add(this);
    this.connect();
    setTimeout(showConnection, FALL_BEHIND_MS);
  }

  connect() {
    clearTimeout(this.timer);
    this.nextAt = 0;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.socket = new WebSocket(`${scheme}//${location.host}${ROOT}${this.path()}`));
    socket.onmessage = (message) => {
      if (this.socket !== socket) return;
      const frame = JSON.parse(message.data);
      if (frame.type === "connection_info") this.opened(frame);
      else if (frame.type === "system_event" || frame.type === "output") this.onFrame(frame);
    };
    socket.onclose = (event) => { if (this.socket === socket) this.lost(event.code); };
    this.timer = setTimeout(() => this.giveUp(), Math.min(HELLO_MS * 2 ** this.tries, LONGEST_HELLO_MS));
  }

  /** Drop a connection without a first frame: unanswered handshakes and silent sockets never time out on their own. */
  giveUp() {
    const old = this.socket;
    this.socket = null; // do not wait for its close event, which may come much later
    old?.close();
    this.lost();
  }

  /**
   * Note that the connection works, after its first frame.
   * @param {{missed?: boolean}} greeting
   */
  opened({ missed }) {
    clearTimeout(this.timer);
    this.isOpen = true;
    this.tries = 0;
    showConnection();
    if (this.everOpen || missed) this.onMissed();
    this.everOpen = true;
  }

  /**
   * Reconnect after a growing delay, unless the close code says that it would be refused again.
   * @param {number} [code]
   */
  lost(code) {
    clearTimeout(this.timer);
    if (this.isOpen) this.lostAt = Date.now();
    this.isOpen = false;
    if (code === 4401) {
      this.close();
      return showLoggedOut();
    }
    if (code === 4403 || code === 4404) return this.close();
    const wait = Math.min(500 * 2 ** this.tries++, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
    this.nextAt = Date.now() + wait;
    this.timer = setTimeout(() => this.connect(), wait);
    showConnection();
    setTimeout(showConnection, FALL_BEHIND_MS + 50);
  }

  /** Drop a connection that may be dead, and connect again now. */
  renew() {
    const old = this.socket;
    if (this.isOpen) this.lostAt = Date.now();
    this.isOpen = false;
    this.connect();
    old?.close();
    showConnection();
  }

  close() {
    clearTimeout(this.timer);
    sockets.delete(this);
    const old = this.socket;
    this.socket = null;
    old?.close();
    showConnection();
  }
}

export function reconnectAll() {
  for (const socket of sockets) socket.renew();
}

const WORDS = { live: "Live", retrying: "Reconnecting", off: "Connecting" };

/** Show the state of all sockets in the top bar, and the banner if one has been lost for some time. */
export function showConnection() {
  const waiting = [...sockets].filter((socket) => !socket.isOpen);
  const retrying = waiting.filter((socket) => socket.everOpen || socket.tries > 0);
  /** @type {keyof typeof WORDS} */
  const state = retrying.length ? "retrying" : waiting.some((socket) => !socket.isExtra) ? "off" : "live";
  const word = byId("conn");
  if (!word || isLoggedOut()) return;
  word.hidden = sockets.size === 0;
  if (word.dataset.conn !== state) {
    word.dataset.conn = state;
    word.textContent = WORDS[state];
  }
  const banner = byId("offline");
  if (!banner) return;
  banner.hidden = !retrying.some((socket) => Date.now() - socket.lostAt >= FALL_BEHIND_MS);
  const next = Math.max(...retrying.map((socket) => socket.nextAt), 0) - Date.now();
  requiredIn(banner, "[data-in]").textContent = next > 500 ? ` in ${Math.ceil(next / 1000)} s` : "";
}
