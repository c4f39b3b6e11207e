// One message on the page: its text, and below it numbers and buttons. `actions` are the
// conversation's: edit, remove, again, resume.

import { copyButton, element, iconButton, textButton } from "./dom.js";
import { t } from "./i18n.js";
import { MarkdownView, PlainView } from "./markdown_view.js";
import { errorText, statsText } from "./message_text.js";
import { splitThinking } from "./thinking.js";

// Text for the screen reader alone, and the key that it is translated by.
const heading = (key) => {
  const node = element("h2", { className: "hidden", textContent: t(key) });
  node.dataset.i18n = key;
  return node;
};

export class UserView {
  constructor(message, plain, actions) {
    this.message = message;
    this.body = new PlainView();
    this.editButton = iconButton("edit", "message.edit", () => this.#edit(actions.edit));
    this.tools = element("div", { className: "tools" },
      copyButton("message.copy", () => message.content), this.editButton,
      iconButton("delete", "message.delete", actions.remove));
    this.element = element("article", { className: "message user" },
      heading(plain ? "message.prompt" : "message.you"), this.body.element, this.tools);
  }

  update() {
    this.body.update(this.message.content);
  }

  #edit(send) {
    const area = element("textarea", { value: this.message.content, rows: 3 });
    area.setAttribute("aria-label", t("message.edit"));
    const close = () => {
      form.replaceWith(this.body.element);
      this.tools.hidden = false;
      this.editButton.focus();
    };
    const form = element("form", { className: "edit" }, area,
      element("div", { className: "row" },
        textButton("message.cancel", close),
        Object.assign(textButton("message.send"), { type: "submit" })));
    form.onsubmit = (event) => {
      event.preventDefault();
      if (area.value.trim() !== "") send(area.value);
    };
    form.onkeydown = (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      close();
    };
    this.body.element.replaceWith(form);
    this.tools.hidden = true;
    area.focus();
  }
}

export class AnswerView {
  #wasBusy = null;

  constructor(message, plain, actions) {
    this.message = message;
    this.plain = plain;
    this.body = plain ? new PlainView() : new MarkdownView();
    this.thoughtsTitle = element("summary");
    this.thoughts = new PlainView();
    this.details = element("details", { className: "thoughts", hidden: true },
      this.thoughtsTitle, this.thoughts.element);
    this.error = element("p", { className: "error", hidden: true });
    this.error.setAttribute("role", "alert");
    this.stats = element("p", { className: "stats" });
    this.retry = textButton("message.retry", plain ? actions.resume : actions.again);
    this.tools = element("div", { className: "tools" },
      copyButton("message.copy", () => splitThinking(message.content).answer),
      iconButton("again", "message.again", actions.again));
    if (plain) this.tools.append(iconButton("more", "message.continue", actions.resume));
    this.element = element("article", { className: "message answer" },
      heading(plain ? "message.continuation" : "message.model"), this.details, this.body.element,
      this.error, this.retry, element("div", { className: "under" }, this.stats, this.tools));
  }

  update() {
    const { content, reasoning, finish } = this.message;
    const split = this.plain ? { thoughts: "", answer: content, thinking: false }
                             : splitThinking(content);
    const thoughts = reasoning + split.thoughts;
    this.body.update(split.answer);
    this.details.hidden = thoughts === "";
    if (thoughts !== "") this.thoughts.update(thoughts);
    const busy = finish === null;
    this.isThinking = busy && (split.thinking || (reasoning !== "" && split.answer === ""));
    if (busy !== this.#wasBusy) {
      this.#wasBusy = busy;
      this.element.setAttribute("aria-busy", busy);
      this.element.classList.toggle("busy", busy);
    }
    this.element.classList.toggle("pending", busy && content === "" && reasoning === "");
    this.#showTexts();
  }

  #showTexts() {
    const { error } = this.message;
    this.thoughtsTitle.textContent = t(this.isThinking ? "message.thinking" : "message.thoughts");
    this.body.element.dataset.pending = t("message.pending");
    this.stats.textContent = statsText(this.message);
    this.error.hidden = error === null;
    this.retry.hidden = error === null;
    this.element.classList.toggle("failed", error !== null && this.message.content === "");
    if (error) this.error.textContent = errorText(error);
  }
}
