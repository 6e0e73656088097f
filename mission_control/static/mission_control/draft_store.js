// @ts-check
/* The store of drafts: in this tab, for one user. Where a browser blocks storage, only the drafts are missing. */
const PREFIX = "mc-draft ";

/**
 * @typedef {object} Draft
 * @property {Record<string, string[]>} fields the changed values by the name of their field
 * @property {string} [basis] the version of the text that the form began with
 * @property {string} page the path of the page with the form
 * @property {boolean} [isSent] the form was sent, and it is not known yet whether the server accepted it
 */

/** The user whose drafts these are; empty on pages without a login. */
export const OWNER = document.body.dataset.user ?? "";

/**
 * Return the keys of all drafts, including those of other users.
 * @returns {string[]}
 */
export function keys() {
  try {
    return Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

/**
 * Return a draft of this user, or null.
 * @param {string} key
 * @returns {Draft | null}
 */
export function read(key) {
  try {
    const draft = JSON.parse(sessionStorage.getItem(PREFIX + key) ?? "null");
    return draft?.owner === OWNER ? draft : null;
  } catch {
    return null;
  }
}

/**
 * Store a draft. If there is no room, remove it: then the page only asks before the user leaves it.
 * @param {string} key
 * @param {Draft} draft
 */
export function write(key, draft) {
  try {
    sessionStorage.setItem(PREFIX + key, JSON.stringify({ ...draft, owner: OWNER }));
  } catch {
    remove(key);
  }
}

/**
 * Remove a draft, also of another user.
 * @param {string} key
 */
export function remove(key) {
  try {
    sessionStorage.removeItem(PREFIX + key);
  } catch {
    // Without storage there is no draft to remove.
  }
}
