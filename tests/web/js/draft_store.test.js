// The store of drafts: per user, and harmless where the browser stores nothing.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { Storage } from "./storage.js";

globalThis.document = { body: { dataset: { user: "ada" } } };
const { OWNER, keys, read, remove, write } = await import("../../../mission_control/static/mission_control/draft_store.js");

const DRAFT = { fields: { title: ["Write tests"] }, page: "/tasks/1" };

beforeEach(() => {
  globalThis.sessionStorage = new Storage();
});

test("a draft is read as it was written, by its key", () => {
  write("/tasks/1 title", DRAFT);
  assert.deepEqual(read("/tasks/1 title"), { ...DRAFT, owner: OWNER });
  assert.deepEqual(keys(), ["/tasks/1 title"]);
  assert.equal(read("/tasks/2 title"), null);
});

test("a removed draft is gone, and other entries of the tab stay", () => {
  sessionStorage.setItem("other", "1");
  write("/tasks/1 title", DRAFT);
  remove("/tasks/1 title");
  assert.deepEqual(keys(), []);
  assert.equal(sessionStorage.getItem("other"), "1");
});

test("the draft of another user is listed, so that it can be removed, but not read", () => {
  sessionStorage.setItem("mc-draft /tasks/1 title", JSON.stringify({ ...DRAFT, owner: "grace" }));
  assert.deepEqual(keys(), ["/tasks/1 title"]);
  assert.equal(read("/tasks/1 title"), null);
});

test("what is no draft is read as none", () => {
  for (const text of ["", "{", "null", "7", '"text"', "[]"]) {
    sessionStorage.setItem("mc-draft key", text);
    assert.equal(read("key"), null);
  }
});

test("a draft for which there is no room removes its older version, which would be wrong", () => {
  write("key", DRAFT);
  sessionStorage.room = 200;
  write("key", { ...DRAFT, fields: { title: ["x".repeat(500)] } });
  assert.equal(read("key"), null);
});

test("without storage there are no drafts and no errors", () => {
  delete globalThis.sessionStorage;
  write("key", DRAFT);
  remove("key");
  assert.deepEqual(keys(), []);
  assert.equal(read("key"), null);
});
