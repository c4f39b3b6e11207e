// What is asked of the server, in OpenAI's wire format.

import { splitThinking } from "./thinking.js";

// The server's own default for completions is very short, and it refuses more than its context.
export const completionLength = (model) => Math.min(256, Math.floor((model.context ?? 512) / 2));

// What is not set is not sent: the server then takes the model's own.
function common(model, settings) {
  const body = { model: model.id, stream: true, stream_options: { include_usage: true } };
  for (const name of ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens",
                      "seed"]) {
    if (settings[name] !== null) body[name] = settings[name];
  }
  return body;
}

// What was said so far. Earlier answers come without their thoughts, which models do not expect to
// see again. Where no answer came, the questions are one: templates want the roles to alternate.
function dialogue(messages) {
  const said = [];
  for (const { role, content } of messages) {
    const text = role === "assistant" ? splitThinking(content).answer : content;
    if (role === "assistant" && text === "") continue;
    if (said.at(-1)?.role === role) said.at(-1).content += `\n\n${text}`;
    else said.push({ role, content: text });
  }
  return said;
}

export function chatRequest(model, settings, messages) {
  const system = settings.system.trim();
  return {
    path: "v1/chat/completions",
    body: {
      ...common(model, settings),
      messages: [
        ...(system ? [{ role: "system", content: system }] : []),
        ...dialogue(messages),
      ],
    },
  };
}

export function completionRequest(model, settings, prompt) {
  const body = { ...common(model, settings), prompt };
  body.max_tokens ??= completionLength(model);
  return { path: "v1/completions", body };
}
