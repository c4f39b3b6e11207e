// All messages on the page. Changes are shown once a frame, and the newest line stays in view as
// long as the reader is at the end.

import { byId } from "./dom.js";
import { onLanguage } from "./i18n.js";
import { AnswerView, UserView } from "./message_view.js";

const endMargin = 16;  // pixels from the end that still count as the end

export class LogView {
  #scroller = byId("scroller");
  #list = byId("log");
  #toEnd = byId("to-end");
  #views = [];
  #dirty = new Set();
  #atEnd = true;  // the view follows what comes
  #top = 0;       // where the scroller stood, and how high it was, when it was last looked at
  #height = 0;

  // `plain`: texts are shown as they are, without Markdown.
  constructor({ plain, actions }) {
    this.plain = plain;
    this.actions = actions;
    this.#scroller.addEventListener("scroll", () => this.#noteScroll(), { passive: true });
    this.#toEnd.addEventListener("click", () => this.scrollToEnd());
    onLanguage(() => this.#views.forEach((view) => view.update()));
    new ResizeObserver(() => this.#keepEnd()).observe(this.#scroller);
  }

  // Shows these messages; views of those that were there already stay.
  show(messages) {
    let kept = 0;
    while (kept < this.#views.length && this.#views[kept].message === messages[kept]) kept += 1;
    for (const view of this.#views.splice(kept)) view.element.remove();
    for (const message of messages.slice(kept)) {
      const View = message.role === "user" ? UserView : AnswerView;
      const view = new View(message, this.plain, this.actions);
      view.update();
      this.#views.push(view);
      this.#list.append(view.element);
    }
    this.#markLast();
    this.#keepEnd();
  }

  // The last message changed.
  changed() {
    if (this.#dirty.size === 0) requestAnimationFrame(() => this.flush());
    this.#dirty.add(this.#views.at(-1));
  }

  flush() {
    for (const view of this.#dirty) view.update();
    this.#dirty.clear();
    this.#keepEnd();
  }

  scrollToEnd() {
    this.#atEnd = true;
    this.#keepEnd();
  }

  // The last question and the last answer have more buttons than others.
  #markLast() {
    for (const node of this.#list.querySelectorAll(".last")) node.classList.remove("last");
    for (const role of ["user", "assistant"]) {
      this.#views.findLast((view) => view.message.role === role)?.element.classList.add("last");
    }
  }

  // Only the reader leaves the end. The browser scrolls too, when heights that it had estimated
  // for messages out of view turn out otherwise; then the whole becomes shorter, or the place
  // moves down.
  #noteScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const isNear = scrollHeight - scrollTop - clientHeight <= endMargin;
    const wentUp = scrollTop < this.#top && scrollHeight >= this.#height;
    if (isNear) this.#atEnd = true;
    else if (wentUp) this.#atEnd = false;
    else if (this.#atEnd) this.#scroller.scrollTop = scrollHeight;
    this.#remember();
  }

  #keepEnd() {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#remember();
  }

  #remember() {
    this.#top = this.#scroller.scrollTop;
    this.#height = this.#scroller.scrollHeight;
    this.#toEnd.hidden = this.#atEnd;
  }
}
