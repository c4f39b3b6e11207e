// The API key: asked for when the server wants one, and kept until the tab is closed.

import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { read, write } from "./storage.js";

const storageKey = "tandem-api-key";
let key = read(storageKey, "session");

export const currentKey = () => key;

function keep(value) {
  key = value;
  write(storageKey, value, "session");
  byId("forget-key").hidden = value === null;
}

export function setUpKey() {
  byId("forget-key").hidden = key === null;
  byId("forget-key").addEventListener("click", () => keep(null));
}

// False when nothing was given.
export function askForKey() {
  const dialog = byId("key-dialog");
  const input = byId("key");
  byId("key-text").textContent = t(key === null ? "key.needed" : "key.refused");
  input.value = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      keep(input.value.trim());
      dialog.close("given");
    };
    byId("key-cancel").onclick = () => dialog.close("");
    dialog.returnValue = "";  // as Esc leaves it
    dialog.onclose = () => resolve(dialog.returnValue === "given");
  });
}
