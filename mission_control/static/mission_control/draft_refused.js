// @ts-check
/* For pages without a login (the login page, error pages). If a form led here, it was not accepted, so its draft
   stays. Logging out leads to the login page without a `next` page; then all drafts are removed. */
import { all } from "./dom.js";

const PREFIX = "mc-draft ";

try {
  const isLoggedOut = location.pathname === document.body.dataset.login && !new URLSearchParams(location.search).has("next");
  if (isLoggedOut) new BroadcastChannel("mc-logout").postMessage("logged out");
  for (const [name, draft] of Object.entries(sessionStorage).filter(([one]) => one.startsWith(PREFIX))) {
    if (isLoggedOut) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, JSON.stringify({ ...JSON.parse(draft), isSent: false }));
  }
  for (const link of all(document, "[data-back]", HTMLAnchorElement)) {
    if (!document.referrer || new URL(document.referrer).origin !== location.origin) continue; // the user came from another site
    link.href = document.referrer;
    link.hidden = false;
  }
} catch {
  // Without storage there are no drafts.
}
