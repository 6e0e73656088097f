/* The output of one run. The server renders it; here stretches of it are put behind, or before, what there is.

   A frame says only that there is more: what is shown is asked for by number, from the last entry on, which may
   have grown. So nothing is missing and nothing twice, whatever a connection did meanwhile. */
import { byId, fetchFragment, localise, parse } from "./page.js";

const PAUSE_MS = 150; // between two readings; more where one takes long
const AGAIN_MS = 1000; // after one that failed
const MOST_ITEMS = 400; // of entries, and of characters, in the page: beyond, the far end is let go
const MOST_CHARS = 160000;
const FAR_BEHIND = 1500; // events: rather begin anew at the end
const NEAR_PX = 600; // how near to an end the reader is when more is read
const TAIL_PX = 24;

const NOWHERE = { run: "", first: 0, last: 0, known: 0, follows: false, isTail: true, isCut: false, seen: 0, top: 0 };
const at = { ...NOWHERE };
let reading = false;
let isMissed = false; // the reader has moved while something was being read
let timer = null;
let again = null;
let generation = 0;

const stream = () => byId("stream");
const list = () => byId("events");

/** Take the panel that the page has: it was rendered, or has just been put in. */
export function adopt() {
  const panel = byId("output");
  begin();
  Object.assign(at, NOWHERE);
  if (!panel) return;
  at.run = panel.dataset.run;
  for (const name of ["first", "last", "known"]) at[name] = Number(panel.dataset[name]);
  at.follows = panel.dataset.follows === "yes";
  at.isCut = !at.follows; // an earlier stretch: what comes behind is read when the reader is there
  at.seen = at.known;
  stream().addEventListener("scroll", noteScroll, { passive: true });
  byId("newest").addEventListener("click", jump);
  byId("earlier").addEventListener("click", (event) => {
    event.preventDefault();
    readEarlier();
  });
  watchSize();
  if (at.follows) toTail();
  else stream().scrollTop = 0;
  if (at.known > at.last && at.follows) more(at.known);
}

/** What is being read now belongs to what was shown before. */
function begin() {
  generation += 1;
  clearTimeout(timer);
  clearTimeout(again);
  [timer, reading, isMissed] = [null, false, false];
}

export const run = () => at.run;

/** There are events up to this number. */
export function more(known) {
  at.known = Math.max(at.known, known);
  showCount();
  if (!at.follows || at.isCut || at.last >= at.known) return;
  timer ??= setTimeout(readNewer, document.hidden ? 1000 : 0);
}

/** Ask how far the run has come: nobody told while there was no connection. */
export function catchUp() {
  if (at.run && at.follows && !at.isCut) timer ??= setTimeout(readNewer, 0);
}

// ── Reading ──────────────────────────────────────────────────────────
async function stretch(query) {
  const [mine, began] = [generation, performance.now()];
  const response = await fetchFragment(`${byId("output").dataset.url}${query}`);
  if (!response.ok) return null;
  const part = parse(await response.text()).querySelector("ol");
  if (mine !== generation || part?.dataset.run !== at.run) return null; // another run is shown meanwhile
  at.known = Math.max(at.known, Number(part.dataset.known));
  part.took = performance.now() - began;
  localise(part);
  return part;
}

/** Read a stretch and place it, one at a time; then look where the reader is, who may have gone on meanwhile.

    `put` places it and says whether there is more to read where it stands. Returns null where nothing came. */
async function read(query, put) {
  const mine = generation;
  reading = true;
  const part = await stretch(query).catch(() => null); // the connection broke
  if (mine !== generation) return null;
  reading = false;
  const isMoved = Boolean(part?.childElementCount) && put(part);
  clearTimeout(again);
  if (!part) again = setTimeout(noteScroll, AGAIN_MS);
  else if (isMoved || isMissed) noteScroll();
  return part;
}

const open = () => Number(list().lastElementChild?.dataset.first ?? 1); // what has begun last, and may have grown

async function readNewer() {
  if (reading) {
    timer = setTimeout(readNewer, PAUSE_MS); // after what is being read now
    return;
  }
  const mine = generation;
  const far = at.isTail && at.known - at.last > FAR_BEHIND;
  const part = await read(far ? "" : `?after=${open() - 1}`, (fresh) => {
    if (stream().scrollTop < at.top) [at.isTail, isMissed] = [false, true]; // he has just left the end, and stays away
    if (!far || at.isTail) place(fresh, far);
  });
  if (mine !== generation) return;
  timer = null;
  const pause = part ? Math.max(PAUSE_MS, 3 * part.took) : AGAIN_MS;
  if (at.follows && !at.isCut && at.last < at.known && !isLost()) timer = setTimeout(readNewer, pause);
}

const isLost = () => byId("conn")?.dataset.conn === "retrying"; // when it is back, this is asked anew

function readEarlier() {
  if (reading || at.first <= 1) return;
  read(`?upto=${at.first - 1}`, (part) => {
    keepPlace(() => {
      at.first = Number(part.dataset.first);
      list().prepend(...part.children);
      showEarlier();
    });
    trimEnd();
    return true;
  });
}

/** The end was let go, or never there: read on where the reader comes to it. */
function readLater() {
  if (reading || !at.isCut) return;
  read(`?after=${open() - 1}`, (fresh) => {
    const isMoved = Number(fresh.dataset.last) > at.last;
    append(fresh);
    trimStart();
    if (at.last >= at.known && at.follows) at.isCut = false;
    return isMoved;
  });
}

// ── Placing ──────────────────────────────────────────────────────────
function place(part, anew) {
  if (!part.childElementCount) return;
  if (anew) {
    list().replaceChildren();
    at.first = Number(part.dataset.first);
  }
  append(part);
  if (at.isTail) {
    trimStart();
    toTail();
  } else if (size() > MOST_CHARS || list().childElementCount > MOST_ITEMS) {
    at.isCut = true; // the reader is far back: the rest waits until it is asked for
  }
  showCount();
}

/** Put entries behind the others; those that are there in an older state are replaced. Folds keep theirs. */
function append(part) {
  const from = Number(part.dataset.first);
  const open = new Set();
  for (let item = list().lastElementChild; item && Number(item.dataset.first) >= from; item = list().lastElementChild) {
    if (item.querySelector("details[open]")) open.add(item.dataset.first);
    item.remove();
  }
  for (const item of part.children) {
    if (open.has(item.dataset.first)) item.querySelector("details")?.setAttribute("open", "");
  }
  at.first ||= from;
  at.last = Number(part.dataset.last);
  byId("hollow").hidden = true;
  list().append(...part.children);
  showEarlier();
}

function trimStart() {
  let chars = size();
  const before = stream().scrollHeight;
  while (list().childElementCount > 1 && (chars > MOST_CHARS || list().childElementCount > MOST_ITEMS)) {
    chars -= list().firstElementChild.textContent.length;
    list().firstElementChild.remove();
    at.first = Number(list().firstElementChild.dataset.first);
  }
  showEarlier();
  if (!at.isTail) stream().scrollTop -= before - stream().scrollHeight;
}

function trimEnd() {
  let chars = size();
  while (list().childElementCount > 1 && (chars > MOST_CHARS || list().childElementCount > MOST_ITEMS)) {
    chars -= list().lastElementChild.textContent.length;
    list().lastElementChild.remove();
    at.last = Number(list().lastElementChild.dataset.last);
    at.isCut = true;
  }
}

const size = () => list().textContent.length;

/** Change what is above the reader without moving what he reads. */
function keepPlace(change) {
  const anchor = [...list().children].find((item) => item.offsetTop + item.offsetHeight > stream().scrollTop);
  const before = anchor?.getBoundingClientRect().top;
  change();
  if (anchor) stream().scrollTop += anchor.getBoundingClientRect().top - before;
}

function showEarlier() {
  const link = byId("earlier");
  link.hidden = at.first <= 1;
  const anchor = link.querySelector("a");
  anchor.href = anchor.href.replace(/(run=)[^&]*(&upto=)\d*/, `$1${at.run}$2${Math.max(at.first - 1, 1)}`);
}

// ── Where the reader is ──────────────────────────────────────────────
function noteScroll() {
  const box = stream();
  if (!box) return;
  at.top = box.scrollTop;
  isMissed = reading;
  const below = box.scrollHeight - box.scrollTop - box.clientHeight;
  at.isTail = !at.isCut && below < TAIL_PX;
  if (at.isTail) at.seen = at.known;
  if (box.scrollTop < NEAR_PX && at.first > 1 && !at.isTail) readEarlier();
  else if (at.isCut && below < NEAR_PX) readLater();
  showCount();
}

/** Say how many events there are, and how many of them the reader has not seen. */
export function showCount() {
  const button = byId("newest");
  if (!button) return;
  if (at.isTail) at.seen = at.known;
  const unseen = at.known - at.seen;
  const box = stream();
  const isBack = !at.isTail && at.follows && box.scrollHeight > box.clientHeight + TAIL_PX;
  button.hidden = !isBack;
  const count = button.querySelector("[data-count]");
  count.hidden = unseen < 1;
  count.textContent = unseen > 999 ? "999+" : unseen;
  const foot = byId("stream-foot");
  if (foot) {
    foot.querySelector("[data-events]").textContent = at.known === 1 ? "1 event" : `${at.known.toLocaleString("en")} events`;
    foot.querySelector("[data-reading]").textContent = isBack ? "Scrolled up: auto-scroll paused" : "";
  }
}

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

/** What grows, such as a fold that is opened, must not push the end out of sight for who was there. */
const resizes = new ResizeObserver(() => { if (at.isTail && stream()) toTail(); });

function watchSize() {
  resizes.disconnect();
  resizes.observe(stream());
}
