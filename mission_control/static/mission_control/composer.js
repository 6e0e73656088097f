// @ts-check
/* The field for a message to the task: it says how the message reaches an agent, also one that is mentioned. */
import { byId, requiredIn } from "./dom.js";
import { change } from "./page.js";

const MENTION = /(?<![\p{L}\p{N}_+%/-])@([\p{L}\p{N}_]+(?:-+[\p{L}\p{N}_]+)*)/gu;

/** @typedef {Record<string, string>} Names the names of agents by the handles of their mentions */
/** @typedef {{ how: string, agent: string, sentence: string }} Reach without a mention; as reach.py says it */

/**
 * Return the handles of the agents that a text mentions, in order.
 * @param {string} text
 * @param {Names} names
 */
export function mentioned(text, names) {
  const found = [...text.matchAll(MENTION)].map(([, handle]) => handle.normalize("NFC").toLowerCase());
  return [...new Set(found)].filter((handle) => Object.hasOwn(names, handle));
}

/**
 * Return what the line below the field says, and the label of the button that runs.
 * @param {Reach} reach
 * @param {string} text
 * @param {Names} names
 */
export function reachOf(reach, text, names) {
  const [first, ...others] = mentioned(text, names);
  const label = "Send and run";
  if (first === undefined) return { sentence: reach.sentence, label };
  if (reach.how === "follow_up") {
    const sentence = `Send keeps it for the next run. Send and run starts a new run of ${names[first]}.`;
    return { sentence, label: `${label} with @${first}` };
  }
  const isForAnother = reach.agent && ![first, ...others].some((handle) => names[handle] === reach.agent);
  return { sentence: isForAnother ? `It is kept in the thread, and @${first} is notified.` : reach.sentence, label };
}

/** Adapt the line and the button to what is typed. */
function adapt() {
  const [line, field, data] = [byId("composer-reach"), byId("say-it"), byId("mention-names")];
  if (!line || !(field instanceof HTMLTextAreaElement)) return;
  const { how = "", agent = "", sentence = "" } = line.dataset;
  const shown = reachOf({ how, agent, sentence }, field.value, JSON.parse(data?.dataset.agents || "{}"));
  change(line, "textContent", shown.sentence);
  const button = byId("composer-run");
  if (button) change(requiredIn(button, "[data-run-label]"), "textContent", shown.label);
}

/**
 * Send the message; with `runs`, and start a run with it, if that is possible now.
 * @param {HTMLTextAreaElement} field
 * @param {boolean} runs
 */
export function send(field, runs) {
  const button = byId("composer-run");
  if (!runs) field.form?.requestSubmit();
  else if (button instanceof HTMLButtonElement && !button.disabled) field.form?.requestSubmit(button);
}

document.addEventListener("input", ({ target }) => {
  if (target instanceof HTMLTextAreaElement && target.id === "say-it") adapt();
});
document.addEventListener("reset", ({ target }) => {
  if (target instanceof HTMLFormElement && target.id === "composer") setTimeout(adapt); // after its field is empty
});
document.addEventListener("mc:placed", adapt);
adapt(); // with the text of a draft
