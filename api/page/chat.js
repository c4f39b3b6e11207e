// A conversation with the model: what sending, stopping and answering again mean. Owns the messages
// and the one answer that may be in the making.

import { runAnswer } from "./answer.js";
import { Conversation, emptyAnswer, userMessage } from "./conversation.js";
import { askForKey, currentKey } from "./key_dialog.js";
import { LogView } from "./log_view.js";
import { announce, clearNotice, notice } from "./notice.js";
import { chatRequest, completionRequest } from "./request.js";

export class Chat {
  #model;
  #settings;
  #conversation;
  #log;
  #running = null;  // the AbortController of the answer in the making
  #onBusy;
  #onMessages;

  // `onBusy` hears whether an answer is in the making, `onMessages` that messages came or went.
  constructor({ model, settings, onBusy, onMessages }) {
    this.#model = model;
    this.#settings = settings;
    this.#onBusy = onBusy;
    this.#onMessages = onMessages;
    this.#conversation = new Conversation(model.chats ? "chat" : "completion",
      () => notice("status.not_saved"));
    const actions = {
      edit: (text) => this.#edit(text),
      remove: () => this.#remove(),
      again: () => this.#again(),
      resume: () => this.#resume(),
    };
    // Else the browser ends the answer, which would look like a broken connection.
    window.addEventListener("pagehide", () => {
      this.stop();
      this.#conversation.save();
    });
    this.#log = new LogView({ plain: !model.chats, actions });
    this.#show();
  }

  get messages() {
    return this.#conversation.messages;
  }

  send(text) {
    this.messages.push(userMessage(text), emptyAnswer());
    this.#log.scrollToEnd();
    this.#answer();
  }

  stop() {
    this.#running?.abort();
  }

  clear() {
    const before = this.messages;
    if (before.length === 0) return;
    this.stop();
    this.#replace([]);
    notice("status.cleared", () => this.#replace(before));
  }

  #replace(messages) {
    this.#conversation.replace(messages);
    this.#show();
  }

  #show() {
    this.#log.show(this.messages);
    this.#onMessages(this.messages.length);
  }

  get #lastQuestion() {
    return this.messages.findLastIndex((message) => message.role === "user");
  }

  #edit(text) {
    if (this.#running) return;
    this.messages.length = this.#lastQuestion;
    this.send(text);
  }

  #remove() {
    if (this.#running) return;
    const before = this.messages;
    this.#replace(before.slice(0, this.#lastQuestion));
    notice("status.deleted", () => this.#replace(before));
  }

  #again() {
    if (this.#running) return;
    this.messages.length = this.#lastQuestion + 1;
    this.messages.push(emptyAnswer());
    this.#answer();
  }

  // The continuation is continued, in the same message.
  #resume() {
    if (!this.#running) this.#answer();
  }

  #request() {
    const settings = this.#settings.values;
    if (this.#model.chats) return chatRequest(this.#model, settings, this.messages.slice(0, -1));
    const [question, answer] = this.messages.slice(-2);
    return completionRequest(this.#model, settings, question.content + answer.content);
  }

  // Makes the last message, which is there already.
  async #answer() {
    clearNotice();  // what it offers to undo is from before
    const message = this.#conversation.last;
    const running = new AbortController();
    this.#running = running;
    message.finish = null;
    this.#show();
    this.#onBusy(true);
    const run = () => runAnswer({
      request: this.#request(),
      key: currentKey(),
      signal: running.signal,
      message,
      onChange: () => this.#changed(message),
    });
    await run();
    while (message.error?.status === 401 && await askForKey()) await run();
    if (this.#running === running) this.#running = null;
    this.#finished(message);
  }

  #changed(message) {
    if (message !== this.#conversation.last) return;  // it was cleared meanwhile
    this.#log.changed();
    this.#conversation.saveSoon();
  }

  #finished(message) {
    if (!this.#running) this.#onBusy(false);
    if (message !== this.#conversation.last) return;
    this.#log.changed();
    this.#conversation.save();
    if (message.finish === "stopped") announce("status.stopped");
    else if (!message.error) announce("status.done");
  }
}
