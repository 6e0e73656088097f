/* Sockets that come back by themselves, and the word that says how it stands with them. */
import { ROOT, byId, isLoggedOut, showLoggedOut } from "./page.js";

const FALL_BEHIND_MS = 2000; // so long without connection before the banner appears
const LONGEST_WAIT_MS = 10000;
const HELLO_MS = 10000; // a server that is only slow gets more with each attempt
const LONGEST_HELLO_MS = 60000;

export const sockets = new Set();

export class Socket {
  /** Keep a socket open to where `path()` points at each attempt, so that it resumes where the page stands. */
  constructor(path, onFrame, onReopen) {
    Object.assign(this, { path, onFrame, onReopen, isOpen: false, tries: 0, everOpen: false, lostAt: Date.now() });
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
      if (frame.type === "connection_info") this.opened();
      else if (frame.type === "system_event") this.onFrame(frame);
    };
    socket.onclose = (event) => { if (this.socket === socket) this.lost(event.code); };
    this.timer = setTimeout(() => this.giveUp(), Math.min(HELLO_MS * 2 ** this.tries, LONGEST_HELLO_MS));
  }

  /** A handshake that nobody answers, and an open socket without a hello, end by themselves never. */
  giveUp() {
    const old = this.socket;
    this.socket = null; // its close, which may come much later, is not waited for
    old.close();
    this.lost();
  }

  opened() {
    clearTimeout(this.timer);
    this.isOpen = true;
    this.tries = 0;
    showConnection();
    if (this.everOpen) this.onReopen();
    this.everOpen = true;
  }

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

  /** Drop what may be a dead connection and make a new one now. */
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

export function showConnection() {
  const waiting = [...sockets].filter((socket) => !socket.isOpen);
  const retrying = waiting.filter((socket) => socket.everOpen || socket.tries > 0);
  const state = retrying.length ? "retrying" : waiting.length ? "off" : "live";
  const word = byId("conn");
  if (!word || isLoggedOut()) return;
  word.hidden = sockets.size === 0;
  if (word.dataset.conn !== state) {
    word.dataset.conn = state;
    word.textContent = { live: "Live", retrying: "Reconnecting", off: "Connecting" }[state];
  }
  const banner = byId("offline");
  if (!banner) return;
  banner.hidden = !retrying.some((socket) => Date.now() - socket.lostAt >= FALL_BEHIND_MS);
  const next = Math.max(...retrying.map((socket) => socket.nextAt), 0) - Date.now();
  banner.querySelector("[data-in]").textContent = next > 500 ? ` in ${Math.ceil(next / 1000)} s` : "";
}
