/* The output pane: entries appended as text, nothing else, and its end followed while the reader is there. */
import { byId, fetchFragment, parse, setMoment } from "./page.js";

const BLOCK_CHARS = 8000; // a block of text is not grown for ever: laying it out anew would take ever longer
const CUT_CHARS = 200; // a frame carries so much of a tool's result
const HIDDEN_MS = 200; // how often a page that nobody sees is drawn

const queue = [];
let drawing = false;
let atTail = true;

/** Return what a frame says as an entry of the pane; `whole` is where an event that was cut can be read. */
export function entryOf(name, data) {
  const entry = { at: data.timestamp, text: "" };
  const whole = `/runs/${data.run_id}/events/${data.seq}`;
  if (name === "mc_task_started") return { ...entry, kind: "started", text: data.agent_name };
  if (name === "mc_task_completed") return { ...entry, kind: data.status, text: data.error ?? "" };
  if (data.output_type === "tool_use") {
    return { ...entry, kind: "tool_use", text: data.content.replace(/^Using tool: /, ""), whole };
  }
  if (data.output_type === "tool_result") {
    const text = data.content.replace(/^Tool result: /, "");
    return { ...entry, kind: "tool_result", text, whole: text.length >= CUT_CHARS && whole };
  }
  return { ...entry, kind: data.output_type === "status" ? "notice" : data.output_type, text: data.content };
}

/** Show an entry with the others that come until the next frame is drawn. */
export function show(entry) {
  queue.push(entry);
  if (drawing) return;
  drawing = true;
  if (document.hidden) setTimeout(draw, HIDDEN_MS);
  else requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  const list = byId("events");
  if (!list) return;
  byId("hollow").hidden = true;
  for (const entry of queue.splice(0)) append(list, entry);
  if (atTail) toTail();
  else byId("newest").hidden = false;
}

/** Empty the pane for a run that begins. */
export function clearOutput() {
  queue.length = 0;
  byId("events").replaceChildren();
  document.querySelector("#stream .earlier")?.remove();
  toTail();
}

function append(list, entry) {
  const last = list.lastElementChild;
  if ((entry.kind === "message" || entry.kind === "thinking") && last?.dataset.kind === entry.kind) {
    return grow(last, entry.text);
  }
  const item = byId(`blank-${entry.kind}`).content.firstElementChild.cloneNode(true);
  setMoment(item.querySelector("time"), entry.at);
  const text = item.querySelector("[data-text]");
  if (text) text.textContent = entry.text;
  const detail = item.querySelector("[data-detail]");
  if (detail) {
    detail.textContent = entry.kind === "tool_use" ? "" : entry.text;
    if (entry.whole) fillWhenOpened(item, entry.whole);
  }
  list.append(item);
}

/** Lengthen the last block of text; a long one goes on in a new element, behind a line's end. */
function grow(item, text) {
  const blocks = item.querySelectorAll("[data-text]");
  const block = blocks[blocks.length - 1];
  const end = block.textContent.length > BLOCK_CHARS ? text.indexOf("\n") + 1 : 0;
  if (!end) {
    block.append(text);
    block.normalize();
    return;
  }
  block.append(text.slice(0, end));
  const next = block.cloneNode(false);
  next.textContent = text.slice(end);
  block.after(next);
}

/** A frame has only the beginning of a result, and no input: the whole is read when somebody looks. */
function fillWhenOpened(item, url) {
  item.querySelector("details").addEventListener("toggle", async () => {
    const response = await fetchFragment(url);
    if (!response.ok) return;
    const whole = parse(await response.text()).querySelector("[data-detail]");
    item.querySelector("[data-detail]").textContent = whole.textContent;
  }, { once: true });
}

/** What grows above the output must not push its end out of sight. */
const resizes = new ResizeObserver(() => { if (atTail) toTail(); });

/** Follow the end of a pane that was just put in. */
export function watchStream(stream) {
  queue.length = 0;
  stream.addEventListener("scroll", noteScroll, { passive: true });
  resizes.disconnect();
  resizes.observe(stream);
  byId("newest").addEventListener("click", () => {
    toTail();
    stream.focus({ preventScroll: true });
  });
  toTail();
}

function noteScroll() {
  const stream = byId("stream");
  if (!stream) return;
  atTail = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 24;
  if (atTail) byId("newest").hidden = true;
}

export function toTail() {
  const stream = byId("stream");
  if (!stream) return;
  atTail = true;
  stream.scrollTop = stream.scrollHeight;
  byId("newest").hidden = true;
}
