// The field that messages are written in.

import { byId } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

const maxHeight = 240;  // pixels; then it scrolls

export class Composer {
  #input = byId("input");
  #send = byId("send");
  #stop = byId("stop");
  #busy = false;

  constructor({ plain, onSend, onStop }) {
    this.plain = plain;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value;
      if (this.#busy || text.trim() === "") return;
      this.setText("");
      onSend(text);
    });
    this.#stop.addEventListener("click", onStop);
    this.#input.addEventListener("input", () => this.#fit());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    onLanguage(() => this.#label());
    this.#label();
    this.#fit();
  }

  setText(text) {
    this.#input.value = text;
    this.#fit();
  }

  focus() {
    this.#input.focus();
  }

  setBusy(busy) {
    const hadFocus = [this.#send, this.#stop].includes(document.activeElement);
    this.#busy = busy;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    if (hadFocus) this.focus();  // the button that had it is gone
  }

  // While a word is being composed (Chinese, Japanese, ...) Enter belongs to the input method.
  // Safari ends the composition before it reports the key, with code 229.
  #key(event) {
    const composes = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composes) return;
    event.preventDefault();
    if (!this.#busy) byId("composer").requestSubmit();
  }

  #fit() {
    this.#input.style.height = "auto";
    const wanted = this.#input.scrollHeight;
    this.#input.style.height = `${Math.min(wanted, maxHeight)}px`;
    this.#input.style.overflowY = wanted > maxHeight ? "auto" : "hidden";
    this.#send.disabled = this.#input.value.trim() === "";
  }

  #label() {
    byId("input-label").textContent = t(this.plain ? "completion.input" : "chat.input");
    this.#input.placeholder = t(this.plain ? "completion.placeholder" : "chat.placeholder");
  }
}
