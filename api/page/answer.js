// One answer while it is made: adds the chunks to its message and measures. Fields that it sets in
// the message: content, reasoning, finish, stats, error.

import { RequestError, streamAnswer } from "./client.js";

function deltaOf(choice) {
  if (typeof choice.text === "string") return { content: choice.text, reasoning: "" };
  const delta = choice.delta ?? {};
  return {
    content: delta.content ?? "",
    reasoning: delta.reasoning_content ?? delta.reasoning ?? "",
  };
}

// Pieces that come within this time may have come in one burst.
const shortestMs = 50;

class Measure {
  #start = performance.now();
  #first = null;
  #last = null;
  #numDeltas = 0;

  delta() {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#numDeltas += 1;
  }

  // Without a usage from the server (an answer that was stopped) pieces of text stand for tokens.
  stats(usage) {
    if (this.#first === null) return null;
    const tokens = usage?.completion_tokens ?? this.#numDeltas;
    return {
      tokens,
      exact: usage !== null,
      firstSeconds: (this.#first - this.#start) / 1000,
      speed: this.#speed(tokens),
      promptTokens: usage?.prompt_tokens ?? null,
      cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    };
  }

  // Tokens a second after the first, whose time is the prompt's; where that is too short, of the
  // whole.
  #speed(tokens) {
    if (tokens < 2) return null;
    const after = this.#last - this.#first;
    if (after >= shortestMs) return ((tokens - 1) / after) * 1000;
    return (tokens / (this.#last - this.#start)) * 1000;
  }
}

function take(chunk, message, measure) {
  const choice = chunk?.choices?.[0];
  if (!choice) return;
  const { content, reasoning } = deltaOf(choice);
  message.content += content;
  message.reasoning += reasoning;
  if (content || reasoning) measure.delta();
  if (choice.finish_reason) message.finish = choice.finish_reason;
}

// Runs to the answer's end, however it ends. `onChange` is called after each chunk.
export async function runAnswer({ request, key, signal, message, onChange }) {
  const measure = new Measure();
  let usage = null;
  Object.assign(message, { finish: null, error: null, stats: null });
  try {
    for await (const chunk of streamAnswer({ ...request, key, signal })) {
      take(chunk, message, measure);
      usage = chunk?.usage ?? usage;
      message.stats = measure.stats(usage);
      onChange();
    }
    if (message.finish === null) throw new RequestError("cut");
  } catch (error) {
    if (signal.aborted) {
      message.finish = "stopped";
    } else if (error instanceof RequestError) {
      const { kind, status, retryAfter } = error;
      message.finish = "error";
      message.error = { kind, status, retryAfter, message: error.message };
    } else {
      throw error;
    }
  }
  message.stats = measure.stats(usage);
}
