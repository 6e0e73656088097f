/* The output of one run. The server renders it; here stretches of it are put behind, or before, what there is.

   A frame says only that there is more: what is shown is asked for by number, from the last entry on, which may
   have grown. So nothing is missing and nothing twice, whatever a connection did meanwhile. */
import { byId, fetchFragment, localise, parse } from "./page.js";

const PAUSE_MS = 150; // between two readings; more where one takes long
const MOST_ITEMS = 400; // of entries, and of characters, in the page: beyond, the far end is let go
const MOST_CHARS = 160000;
const FAR_BEHIND = 1500; // events: rather begin anew at the end
const NEAR_PX = 600; // how near to an end the reader is when more is read
const TAIL_PX = 24;

const at = { run: "", first: 0, last: 0, known: 0, follows: false, isTail: true, isCut: false, seen: 0 };
let reading = false;
let timer = null;
let generation = 0;

const stream = () => byId("stream");
const list = () => byId("events");

/** Take the panel that the page has: it was rendered, or has just been put in. */
export function adopt() {
  const panel = byId("output");
  generation += 1;
  clearTimeout(timer);
  [timer, reading] = [null, false];
  Object.assign(at, { run: "", first: 0, last: 0, known: 0, follows: false, isTail: true, isCut: false });
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

async function readNewer() {
  if (reading) {
    timer = setTimeout(readNewer, PAUSE_MS); // after what is being read now
    return;
  }
  reading = true;
  let pause = PAUSE_MS;
  try {
    const far = at.isTail && at.known - at.last > FAR_BEHIND;
    const open = Number(list().lastElementChild?.dataset.first ?? 1);
    const part = await stretch(far ? "" : `?after=${open - 1}`);
    if (part) {
      place(part, far);
      pause = Math.max(pause, 3 * part.took);
    }
  } catch {
    pause = 1000; // the connection broke; when it is back, this is asked anew
  }
  reading = false;
  timer = null;
  if (at.follows && !at.isCut && at.last < at.known && !(await lost())) timer = setTimeout(readNewer, pause);
}

const lost = async () => byId("conn")?.dataset.conn === "retrying";

async function readEarlier() {
  if (reading || at.first <= 1) return;
  reading = true;
  let isMoved = false;
  try {
    const part = await stretch(`?upto=${at.first - 1}`);
    if (part?.childElementCount) {
      isMoved = true;
      keepPlace(() => {
        at.first = Number(part.dataset.first);
        list().prepend(...part.children);
        showEarlier();
      });
      trimEnd();
    }
  } catch {
    // Read when the reader comes here again.
  }
  reading = false;
  if (isMoved) noteScroll(); // he may have gone on meanwhile
}

/** The end was let go, or never there: read on where the reader comes to it. */
async function readLater() {
  if (reading || !at.isCut) return;
  reading = true;
  let isMoved = false;
  try {
    const open = Number(list().lastElementChild?.dataset.first ?? 1);
    const part = await stretch(`?after=${open - 1}`);
    if (part?.childElementCount) {
      isMoved = Number(part.dataset.last) > at.last;
      append(part);
      trimStart();
    }
    if (part && at.last >= at.known && at.follows) at.isCut = false;
  } catch {
    // Read when the reader comes here again.
  }
  reading = false;
  if (isMoved) noteScroll();
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
    foot.querySelector("[data-reading]").textContent = isBack ? "reading back" : "";
  }
}

async function jump() {
  if (at.isCut) {
    at.isCut = false;
    reading = true;
    try {
      const part = await stretch("");
      at.isTail = true;
      if (part) place(part, true);
    } catch {
      at.isCut = true;
    }
    reading = false;
  }
  toTail();
  stream().focus({ preventScroll: true });
  catchUp();
}

function toTail() {
  const box = stream();
  at.isTail = true;
  box.scrollTop = box.scrollHeight;
  showCount();
}

/** What grows, such as a fold that is opened, must not push the end out of sight for who was there. */
const resizes = new ResizeObserver(() => { if (at.isTail && stream()) stream().scrollTop = stream().scrollHeight; });

function watchSize() {
  resizes.disconnect();
  resizes.observe(stream());
}
