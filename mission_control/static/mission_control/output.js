// @ts-check
/* The output of one run: the newest part arrives on a socket, rendered by the server and ready to show.

   The page confirms each stretch, and gets the next one only then. The stretches before and after those on the page
   are requested when the reader scrolls there, and new ones too while the socket fails. All begin at an event's number,
   with the last entry shown, because it may have grown. So no entry is missing or doubled, even after a lost connection. */
import { byId, required, requiredIn } from "./dom.js";
import { isFull, first, joins, keepPlace, last, position, prepend, put, replace, trim } from "./output_entries.js";
import { fetchFragment, localise, parse } from "./page.js";
import { Socket } from "./socket.js";

const PAUSE_MS = 150; // between two requests; longer if they take long
const HIDDEN_MS = 1000; // between two stretches for a tab that is not visible
const AGAIN_MS = 1000; // after a request that failed
const FAR_BEHIND = 1500; // events: if more are missing, start again at the end
const NEAR_PX = 600; // more entries are loaded when the reader is this close to either end
const TAIL_PX = 24;

const NOWHERE = { run: "", known: 0, follows: false, isTail: true, isCut: false, seen: 0, top: 0 };
const at = { ...NOWHERE };
/** @type {Socket<OutputFrame> | null} */
let socket = null;
let reading = false;
let isMissed = false; // the reader has scrolled during a request
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;
let generation = 0;
let tookMs = 0; // how long the last request took

const stream = () => required("stream");

/** Start with the output panel that is on the page: rendered with it, or put there just now. */
export function adopt() {
  const panel = byId("output");
  begin();
  unfollow();
  Object.assign(at, NOWHERE);
  if (!panel) return;
  at.run = panel.dataset.run ?? "";
  at.known = Number(panel.dataset.known);
  at.follows = panel.dataset.follows === "yes";
  at.isCut = !at.follows; // an earlier stretch: later entries are loaded when the reader scrolls there
  at.seen = at.known;
  stream().addEventListener("scroll", noteScroll, { passive: true });
  required("newest").addEventListener("click", jump);
  required("earlier").addEventListener("click", (event) => {
    event.preventDefault();
    readEarlier();
  });
  watchSize();
  if (at.follows) toTail();
  else stream().scrollTop = 0;
  if (at.follows && (panel.dataset.active === "yes" || at.known > last())) follow();
}

/** Receive the run's output from now on. Each connection begins at the page's position. */
function follow() {
  const path = () => `/ws/pages/runs/${at.run}/output?after=${position()}&last=${last()}`;
  socket = new Socket(path, receive, () => {}, { isExtra: true });
}

function unfollow() {
  socket?.close();
  socket = null;
}

/** Tell whether new output comes on the socket, so that it need not be requested. */
const isServed = () => socket !== null && (socket.isOpen || socket.tries === 0);

/**
 * Show a stretch, confirm it, and stop following the run after its last one.
 * @param {OutputFrame} frame
 */
function receive({ last: upto, known, restarts, ended, html }) {
  if (!socket) return;
  at.known = Math.max(at.known, known);
  const part = parse(html).querySelector("ol");
  if (part && !at.isCut) {
    if (!restarts && !joins(part)) return socket.renew(); // other entries were loaded meanwhile
    localise(part);
    place(part, restarts);
  }
  showCount();
  if (ended) return unfollow();
  const { socket: connection } = socket;
  setTimeout(() => {
    if (connection?.readyState === WebSocket.OPEN) connection.send(JSON.stringify({ shown: upto }));
  }, document.hidden ? HIDDEN_MS : 0);
}

/** Ignore the answer to the request that is under way: it belongs to the output that was shown before. */
function begin() {
  generation += 1;
  clearTimeout(timer);
  clearTimeout(again);
  [timer, reading, isMissed] = [undefined, false, false];
}

/** Return the id of the run that is shown, or "". */
export const run = () => at.run;

/**
 * Note that there are events up to this number, and load them if the page follows the run without a socket.
 * @param {number} known
 */
export function more(known) {
  at.known = Math.max(at.known, known);
  showCount();
  if (!at.follows || at.isCut || last() >= at.known || isServed()) return;
  timer ??= setTimeout(readNewer, document.hidden ? HIDDEN_MS : 0);
}

/** Load new entries after the connection was lost, because no frames came until then. */
export function catchUp() {
  if (at.run && at.follows && !at.isCut && !isServed()) timer ??= setTimeout(readNewer, 0);
}

// ── Loading ──────────────────────────────────────────────────────────
/**
 * Fetch a stretch of the output; return null if the request fails or the page now shows other output.
 * @param {string} query
 */
async function stretch(query) {
  const [mine, began] = [generation, performance.now()];
  const response = await fetchFragment(`${required("output").dataset.url}${query}`);
  if (!response.ok) return null;
  const part = parse(await response.text()).querySelector("ol");
  if (!part || mine !== generation || part.dataset.run !== at.run) return null; // the page shows another run by now
  at.known = Math.max(at.known, Number(part.dataset.known));
  tookMs = performance.now() - began;
  localise(part);
  return part;
}

/**
 * Load a stretch and show it, one at a time. Then check whether the scroll position needs more entries.
 * @param {string} query
 * @param {(part: HTMLElement) => boolean | void} show returns whether to check the scroll position
 * @returns {Promise<HTMLElement | null>} null if nothing was loaded
 */
async function read(query, show) {
  const mine = generation;
  reading = true;
  const part = await stretch(query).catch(() => null); // the connection broke
  if (mine !== generation) return null;
  reading = false;
  const isMoved = part !== null && part.childElementCount > 0 && show(part);
  clearTimeout(again);
  if (!part) again = setTimeout(noteScroll, AGAIN_MS);
  else if (isMoved || isMissed) noteScroll();
  return part;
}

/** Load the events after the last one shown, or only the end if too many are missing. Repeat until all are shown. */
async function readNewer() {
  if (reading) {
    timer = setTimeout(readNewer, PAUSE_MS); // after the request that is under way
    return;
  }
  const mine = generation;
  const far = at.isTail && at.known - last() > FAR_BEHIND;
  const part = await read(far ? "" : `?after=${position()}`, (fresh) => place(fresh, far));
  if (mine !== generation) return;
  timer = undefined;
  const pause = part ? Math.max(PAUSE_MS, 3 * tookMs) : AGAIN_MS;
  if (at.follows && !at.isCut && last() < at.known && !isLost() && !isServed()) timer = setTimeout(readNewer, pause);
}

const isLost = () => byId("conn")?.dataset.conn === "retrying"; // when the connection is back, catchUp() runs

/** Load the stretch before the first entry shown. */
function readEarlier() {
  if (reading || first() <= 1) return;
  read(`?upto=${first() - 1}`, (part) => {
    keepPlace(stream(), () => {
      prepend(part);
      showEarlier();
    });
    if (trim("lastElementChild")) at.isCut = true;
    return true;
  });
}

/** Load the next stretch when the reader reaches the last entry shown and later ones were removed or never loaded. */
function readLater() {
  if (reading || !at.isCut) return;
  read(`?after=${position()}`, (fresh) => {
    const isMoved = Number(fresh.dataset.last) > last();
    append(fresh);
    trimStart();
    if (last() >= at.known && at.follows) at.isCut = false;
    return isMoved;
  });
}

// ── Showing ──────────────────────────────────────────────────────────
/**
 * Show a new stretch at the end: after the entries shown, or with `anew` instead of them.
 * @param {HTMLElement} part
 * @param {boolean} anew
 */
function place(part, anew) {
  if (!part.childElementCount) return;
  if (stream().scrollTop < at.top) [at.isTail, isMissed] = [false, true]; // the reader has just scrolled up, and stays there
  if (anew && !at.isTail) {
    at.isCut = true;
    return;
  }
  append(part, anew);
  if (at.isTail) {
    trimStart();
    toTail();
  } else if (isFull()) {
    at.isCut = true; // the reader is far up: load the rest when they scroll there
  }
  showCount();
}

/**
 * @param {HTMLElement} part
 * @param {boolean} [anew]
 */
function append(part, anew = false) {
  required("hollow").hidden = true;
  if (anew) replace(part);
  else put(part);
  showEarlier();
}

/** Remove entries from the start while there are too many, without moving the ones in view. */
function trimStart() {
  const before = stream().scrollHeight;
  trim("firstElementChild");
  showEarlier();
  if (!at.isTail) stream().scrollTop -= before - stream().scrollHeight;
}

/** Update the link to earlier entries; hide it if there are none. */
function showEarlier() {
  const link = required("earlier");
  link.hidden = first() <= 1;
  const anchor = requiredIn(link, "a", HTMLAnchorElement);
  anchor.href = anchor.href.replace(/(run=)[^&]*(&upto=)\d*/, `$1${at.run}$2${Math.max(first() - 1, 1)}`);
}

// ── The scroll position ──────────────────────────────────────────────
/** Note the scroll position, and load more entries if the reader is close to an end that has more. */
function noteScroll() {
  const box = byId("stream");
  if (!box) return;
  at.top = box.scrollTop;
  isMissed = reading;
  const below = box.scrollHeight - box.scrollTop - box.clientHeight;
  at.isTail = !at.isCut && below < TAIL_PX;
  if (at.isTail) at.seen = at.known;
  if (box.scrollTop < NEAR_PX && first() > 1 && !at.isTail) readEarlier();
  else if (at.isCut && below < NEAR_PX) readLater();
  showCount();
}

/** Show how many events there are, and how many of them the reader has not seen. */
export function showCount() {
  const button = byId("newest");
  if (!button) return;
  if (at.isTail) at.seen = at.known;
  const unseen = at.known - at.seen;
  const box = stream();
  const isBack = !at.isTail && at.follows && box.scrollHeight > box.clientHeight + TAIL_PX;
  button.hidden = !isBack;
  const count = requiredIn(button, "[data-count]");
  count.hidden = unseen < 1;
  count.textContent = unseen > 999 ? "999+" : String(unseen);
  const foot = byId("stream-foot");
  if (foot) {
    requiredIn(foot, "[data-events]").textContent = at.known === 1 ? "1 event" : `${at.known.toLocaleString("en")} events`;
    requiredIn(foot, "[data-reading]").textContent = isBack ? "Scrolled up: auto-scroll paused" : "";
  }
}

/** Go to the newest entry, loading the end of the output if it is not on the page. */
async function jump() {
  if (at.isCut) {
    begin();
    await read("", (part) => {
      Object.assign(at, { isCut: false, isTail: true });
      place(part, true);
    });
  }
  toTail();
  stream().focus({ preventScroll: true });
  catchUp();
}

function toTail() {
  const box = stream();
  at.isTail = true;
  box.scrollTop = box.scrollHeight;
  at.top = box.scrollTop;
  showCount();
}

/** Keep a reader who is at the end there when the panel changes size. */
const resizes = new ResizeObserver(() => { if (at.isTail && byId("stream")) toTail(); });

function watchSize() {
  resizes.disconnect();
  resizes.observe(stream());
}
