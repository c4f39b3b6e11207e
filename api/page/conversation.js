// The messages, and their copy in the browser's storage. A message is {role, content, reasoning,
// finish, stats, error}; the last three belong to answers, and finish is null while one is made.

import { read, write } from "./storage.js";

const saveEveryMs = 1000;  // while an answer comes

export const userMessage = (content) => ({ role: "user", content });
export const emptyAnswer = () =>
  ({ role: "assistant", content: "", reasoning: "", finish: null, stats: null, error: null });

// Storage may hold what an older page wrote, or somebody by hand.
function restored(message) {
  if (typeof message?.content !== "string") return null;
  if (message.role === "user") return userMessage(message.content);
  if (message.role !== "assistant") return null;
  return {
    ...emptyAnswer(),
    content: message.content,
    reasoning: typeof message.reasoning === "string" ? message.reasoning : "",
    finish: typeof message.finish === "string" ? message.finish : "stopped",
    stats: typeof message.stats === "object" ? message.stats : null,
    error: typeof message.error === "object" ? message.error : null,
  };
}

export class Conversation {
  messages = [];
  #key;
  #timer = null;
  #onLost;

  // `onLost` is called once, when the storage does not take the conversation.
  constructor(name, onLost) {
    this.#key = `tandem-conversation-${name}`;
    this.#onLost = onLost;
    const stored = read(this.#key);
    if (Array.isArray(stored)) this.messages = stored.map(restored).filter(Boolean);
  }

  get last() {
    return this.messages.at(-1);
  }

  replace(messages) {
    this.messages = messages;
    this.save();
  }

  saveSoon() {
    this.#timer ??= setTimeout(() => this.save(), saveEveryMs);
  }

  save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const kept = this.messages.length > 0 ? this.messages : null;
    if (write(this.#key, kept)) return;
    this.#onLost();
    this.#onLost = () => {};
  }
}
