// @ts-check
/* The cards of agents' questions on any page: answer with one click or key, announce new ones, bring them into view.

   A card that was answered keeps its place and height for a moment and says who answered what. `refresh.js` waits with
   new and removed cards while something below them is in use; meanwhile a notice at the edge of the window shows that
   there is a question. */
import { all, byId, closest, requiredIn } from "./dom.js";
import { taken } from "./drafts.js";
import { areOn } from "./keys.js";
import { notify } from "./notifier.js";
import { ROOT, UNREACHABLE, fetchFragment, localise, parse, reasonOf, say, toast } from "./page.js";
import { showNow } from "./refresh.js";
import { isSettled, lineOf } from "./question_rules.js";
import { offerBrowserNotifications } from "./topbar.js";

const CARDS = ".question[data-state=open]";
const FIELDS = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";

/** When each card was first shown. @type {Map<string, number>} */
const shownAt = new Map();

/** @param {HTMLElement} card */
const idOf = (card) => card.dataset.question ?? "";

// ── Answering ────────────────────────────────────────────────────────
/**
 * Send the answer, and show on the card how the question ended.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} button
 */
async function answer(form, button) {
  if (form.hasAttribute("data-busy")) return;
  form.setAttribute("data-busy", "");
  button?.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(form.action, { method: "POST", body: new FormData(form, button) });
    const [fresh] = all(parse(await response.text()), ".question");
    if (!fresh) throw new Error(response.status === 404 ? "This question is gone: its task was deleted." : reasonOf(response));
    if (fresh.dataset.state === "open") showError(form, fresh);
    else showOutcome(form, fresh, response.status === 409);
  } catch (error) {
    toast(error instanceof Error && !(error instanceof TypeError) ? error.message : UNREACHABLE, { status: "error" });
  } finally {
    form.removeAttribute("data-busy");
    button?.removeAttribute("aria-busy");
  }
}

/**
 * Show at its field why the answer was refused. What was typed stays.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} fresh
 */
function showError(form, fresh) {
  const place = requiredIn(form, "[data-error]");
  requiredIn(place, "span").textContent = requiredIn(fresh, "[data-error] span").textContent;
  place.hidden = false;
  const field = requiredIn(form, "textarea", HTMLTextAreaElement);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", place.id);
  field.focus();
}

/**
 * Show who answered what, in the place of the card and with its height, so that nothing below moves.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} fresh
 * @param {boolean} isLate somebody else was faster
 */
function showOutcome(form, fresh, isLate) {
  const card = requiredIn(document, `[id="${fresh.id}"]`);
  const hadFocus = card.contains(document.activeElement);
  taken(form);
  localise(fresh);
  fresh.style.minHeight = `${card.offsetHeight}px`;
  fresh.dataset.endedAt = String(Date.now());
  card.replaceWith(fresh);
  const outcome = requiredIn(fresh, "[data-outcome]").textContent?.trim() ?? "";
  say(isLate ? `Too late. ${outcome}.` : `${outcome}.`);
  if (isLate) toast(`Somebody was faster. ${outcome}.`, { status: "warn" });
  if (hadFocus) focusOn(all(document, CARDS)[0] ?? fresh);
}

/**
 * Focus the heading of a card: from there digits answer it, and Enter answers nothing by accident.
 * @param {HTMLElement} card
 */
function focusOn(card) {
  requiredIn(card, "h3").focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", (event) => {
  const form = closest(event.target, "form[data-question-form]", HTMLFormElement);
  if (!form) return;
  event.preventDefault();
  answer(form, event.submitter);
});

// ── Keys ─────────────────────────────────────────────────────────────
/**
 * Return the card that a digit answers: the one with the focus, or the only question of a task. Approvals need the
 * focus, and a card that has just appeared waits, so that no key meant for something else answers it.
 * @param {EventTarget | null} target
 */
function cardFor(target) {
  const focused = closest(target, CARDS);
  if (focused) return focused;
  const [only] = all(document, `.questions > ${CARDS}:only-child:not([data-kind=approval])`);
  return only && isSettled(shownAt.get(idOf(only)), Date.now()) ? only : null;
}

document.addEventListener("keydown", (event) => {
  const field = closest(event.target, "textarea[data-send]", HTMLTextAreaElement);
  if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    const button = field.dataset.send && field.form?.querySelector(`[value=${field.dataset.send}]`);
    return field.form?.requestSubmit(button instanceof HTMLButtonElement ? button : null);
  }
  if (!areOn() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || closest(event.target, FIELDS)) return;
  if (event.key.toLowerCase() === "q") return goToQuestion(event);
  if (!/^[1-9]$/.test(event.key)) return;
  const button = cardFor(event.target)?.querySelector(`[data-digit="${event.key}"]`);
  if (!(button instanceof HTMLElement)) return;
  event.preventDefault();
  button.click();
});

/**
 * Focus the first question of the page, also if it is still held back.
 * @param {KeyboardEvent} event
 */
function goToQuestion(event) {
  if (byId("held-question")) showHeld();
  const [card] = all(document, CARDS);
  if (!card) return;
  event.preventDefault();
  focusOn(card);
}

// ── New questions ────────────────────────────────────────────────────
/**
 * Note the cards that are new on the page, and announce them.
 * @param {ParentNode} part
 * @param {boolean} isSpoken
 */
function note(part, isSpoken) {
  for (const card of all(part, CARDS)) {
    if (shownAt.has(idOf(card))) continue;
    shownAt.set(idOf(card), Date.now());
    if (isSpoken) say(`${requiredIn(card, "h3").textContent?.replace(/\s+/g, " ").trim()}. Press Q to answer.`);
  }
}

document.addEventListener("mc:fresh", ({ detail }) => offerBrowserNotifications(detail));
document.addEventListener("mc:placed", ({ detail: part }) => {
  if (!part.matches("[data-steady]")) return;
  byId("held-question")?.remove();
  note(part, true);
});
document.addEventListener("mc:held", ({ detail: fresh }) => {
  const [card] = all(fresh, CARDS).filter((one) => !byId(one.id));
  if (!card || byId("held-question")) return;
  const button = document.createElement("button");
  Object.assign(button, { id: "held-question", type: "button", className: "btn btn-primary held-question" });
  button.textContent = `${requiredIn(card, "h3").textContent?.replace(/\s+/g, " ").trim()}: answer`;
  button.addEventListener("click", showHeld);
  document.body.append(button);
  say(`${button.textContent}. Press Q.`);
});

function showHeld() {
  byId("held-question")?.remove();
  showNow();
  const [card] = all(document, CARDS);
  if (card) focusOn(card);
}

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name !== "mc_question_created") return;
  const { id, task_id: task } = data.question;
  const line = lineOf(data.question);
  const href = task ? `${ROOT}/tasks/${task}#questions` : `${ROOT}/overview`;
  const isHere = byId("needs") || document.querySelector(`#task-page[data-task="${task}"]`);
  if (document.hidden) notify("An agent asks", { body: line, tag: id, href });
  if (!isHere) toast(line, { status: "asks", href });
});

note(document, false);
offerBrowserNotifications();
// The browser goes to the part that the address names when the page has loaded, and takes the focus away with that.
if (location.hash === "#questions") addEventListener("load", () => setTimeout(focusFirst));

function focusFirst() {
  const [card] = all(document, CARDS);
  if (card) focusOn(card);
}
