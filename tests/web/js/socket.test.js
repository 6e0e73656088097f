// Sockets: they connect again by themselves, ever more rarely, unless that would be refused again.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage } from "./browser.js";
import { stopTime } from "./timers.js";

openPage(`
  <span id="conn" hidden></span>
  <div id="offline" hidden>Reconnecting<span data-in></span></div>
  <main id="main"></main>
  <template id="blank-logged-out"><p data-logged-out>Logged out <a href="">Log in</a></p></template>`, 'data-login="/login"');

const opened = []; // every connection that was tried, oldest first
globalThis.WebSocket = class {
  static OPEN = 1;

  constructor(url) {
    opened.push(Object.assign(this, { url, isClosed: false }));
  }

  close() {
    this.isClosed = true;
  }

  receive(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }
};
const GREETING = { type: "connection_info" };
const pass = stopTime();
Math.random = () => 0.5; // the delay is spread by chance
const { Socket, reconnectAll, sockets } = await import("../../../mission_control/static/mission_control/socket.js");

const connection = () => opened.at(-1);
const word = () => document.getElementById("conn").textContent;
const banner = () => document.getElementById("offline");

/** Return a socket, what it received, and how often it said that frames may be missing. */
function connect(path = () => "/ws/mission-control") {
  const got = { frames: [], gaps: 0 };
  got.socket = new Socket(path, (frame) => got.frames.push(frame), () => { got.gaps += 1; });
  return got;
}

/** Lose the connection, and return after how many milliseconds there is a new one. */
function lossLasts() {
  const before = opened.length;
  connection().onclose({ code: 1006 });
  let ms = 0;
  for (; opened.length === before && ms < 60_000; ms += 100) pass(100);
  return ms;
}

beforeEach(() => {
  for (const socket of sockets) socket.close();
  document.getElementById("main").replaceChildren();
  opened.length = 0;
});

test("frames arrive after the greeting, which is none itself", () => {
  const got = connect();
  assert.match(connection().url, /^ws:\/\/mc\.example\/.*\/ws\/mission-control$/);
  connection().receive(GREETING);
  connection().receive({ type: "system_event", event_type: "mc_capacity", data: {} });
  connection().receive({ type: "error", message: "?" });
  assert.deepEqual(got.frames.map((frame) => frame.event_type), ["mc_capacity"]);
  assert.equal(got.gaps, 0);
  assert.equal(word(), "Live");
});

test("a greeting that says that the page missed something calls for a refresh, also at the first opening", () => {
  const got = connect();
  connection().receive({ ...GREETING, missed: true });
  assert.equal(got.gaps, 1);
});

test("a lost connection is replaced, at the position that the page has then", () => {
  let seq = 1;
  const got = connect(() => `/ws?after=${seq}`);
  connection().receive(GREETING);
  seq = 7;
  lossLasts();
  assert.match(connection().url, /after=7$/);
  connection().receive(GREETING);
  assert.equal(got.gaps, 1);
});

test("the delay doubles with each failure up to ten seconds, and starts again after a success", () => {
  connect();
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(lossLasts), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  connection().receive(GREETING);
  assert.equal(lossLasts(), 500);
});

test("a connection without a greeting is given up", () => {
  connect();
  const first = connection();
  pass(11_000);
  assert.ok(first.isClosed);
  assert.equal(opened.length, 2);
});

test("the close event of a connection that was given up changes nothing", () => {
  connect();
  const first = connection();
  pass(11_000);
  connection().receive(GREETING);
  first.onclose({ code: 1006 });
  pass(60_000);
  assert.equal(opened.length, 2);
  assert.equal(word(), "Live");
});

test("without permission or without what the path names, it is not tried again", () => {
  for (const code of [4403, 4404]) {
    connect();
    connection().onclose({ code });
  }
  pass(60_000);
  assert.equal(opened.length, 2);
  assert.equal(sockets.size, 0);
});

test("after the session's end the page offers the login, with the way back", () => {
  connect();
  connection().onclose({ code: 4401 });
  pass(60_000);
  assert.equal(opened.length, 1);
  assert.equal(word(), "Logged out");
  assert.equal(document.querySelector("[data-logged-out] a").getAttribute("href"), "/login?next=%2F");
});

test("the banner appears two seconds after the loss, counts down, and disappears with the connection", () => {
  connect();
  connection().receive(GREETING);
  lossLasts();
  lossLasts();
  assert.equal(word(), "Reconnecting");
  assert.equal(banner().hidden, true);
  connection().onclose({ code: 1006 });
  pass(1000);
  assert.equal(banner().hidden, false);
  pass(1000);
  connection().receive(GREETING);
  assert.equal(banner().hidden, true);
  assert.equal(word(), "Live");
});

test("after a sleep of the computer all sockets are renewed at once", () => {
  connect();
  connection().receive(GREETING);
  const old = connection();
  reconnectAll();
  assert.ok(old.isClosed);
  assert.equal(opened.length, 2);
});
