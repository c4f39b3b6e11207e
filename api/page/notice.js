// One line above the message field: what just happened, perhaps with a way back.

import { byId, element, textButton } from "./dom.js";
import { t } from "./i18n.js";

const showMs = 8000;
let timer = null;

export function notice(key, undo = null) {
  const line = element("p", {}, t(key));
  if (undo) {
    line.append(textButton("status.undo", () => {
      clearNotice();
      undo();
    }));
  }
  clearTimeout(timer);
  timer = setTimeout(clearNotice, showMs);
  byId("notice").replaceChildren(line);
}

// For screen readers alone.
export function announce(key) {
  byId("announcer").textContent = t(key);
}

export function clearNotice() {
  byId("notice").replaceChildren();
}
