// The conversation as a Markdown file.

import { element } from "./dom.js";
import { t } from "./i18n.js";
import { splitThinking } from "./thinking.js";

export function conversationText(messages, plain) {
  if (plain) return messages.map(({ content }) => content).join("");
  return messages.map(({ role, content }) => {
    const isUser = role === "user";
    const name = t(isUser ? "message.you" : "message.model");
    return `## ${name}\n\n${isUser ? content : splitThinking(content).answer}\n`;
  }).join("\n");
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
