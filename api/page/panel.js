// Opening and closing the settings: beside the conversation where there is room, over it where not.

import { byId } from "./dom.js";
import { read, write } from "./storage.js";

const storageKey = "tandem-panel";
const narrow = window.matchMedia("(max-width: 60rem)");  // as in panel.css

export class Panel {
  #panel = byId("panel");
  #button = byId("settings");

  constructor() {
    this.#button.addEventListener("click", () => this.#show(this.#panel.hidden));
    byId("panel-close").addEventListener("click", () => this.#show(false));
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.#show(false);
    });
    narrow.addEventListener("change", () => this.#cover());
    if (read(storageKey) === true && !narrow.matches) this.#open(true);
  }

  #show(open) {
    this.#open(open);
    write(storageKey, open);
    if (open) byId("panel-close").focus();
    else this.#button.focus();
  }

  #open(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute("aria-expanded", open);
    this.#cover();
  }

  // What the panel lies over cannot be reached with the keyboard.
  #cover() {
    const covered = !this.#panel.hidden && narrow.matches;
    byId("main").inert = covered;
    byId("app").querySelector(".bar").inert = covered;
  }
}
