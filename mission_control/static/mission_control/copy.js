// @ts-check
/* The copy button of a code block: copies the code unchanged. It says “Copied” until the user goes on. */
import { closest } from "./dom.js";
import { say, toast } from "./page.js";

document.addEventListener("click", async (event) => {
  const button = closest(event.target, "[data-copy]");
  const code = button?.parentElement?.querySelector("pre");
  if (!button || !code) return;
  try {
    await write(code);
    button.textContent = "Copied";
    button.dataset.keep = ""; // a refresh of the page does not take it away
    say("Copied");
    button.focus(); // some browsers do not focus a button that is clicked
    button.addEventListener("blur", () => {
      button.textContent = "Copy";
      delete button.dataset.keep;
    }, { once: true });
  } catch {
    toast("Couldn't copy. Select the code and press Ctrl+C.", { status: "error" });
  }
});

/** @param {HTMLElement} code */
async function write(code) {
  if (navigator.clipboard) return navigator.clipboard.writeText(code.textContent ?? "");
  getSelection()?.selectAllChildren(code); // without HTTPS only the older API exists
  if (!document.execCommand("copy")) throw new Error("refused");
}
