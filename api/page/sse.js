// Server-sent events (HTML standard, 9.2) out of bytes, however the network cut them: in the middle
// of a line, of a line's end, or of a character.

export class SseParser {
  #line = "";  // what came of a line whose end did not
  #data = [];  // the data lines of the event that is being read

  // The data of each event that ends in `text`.
  push(text) {
    const events = [];
    let rest = this.#line + text;
    while (true) {
      const end = rest.search(/[\r\n]/);
      // A carriage return at the very end may be the first half of a line's end.
      if (end < 0 || (rest[end] === "\r" && end + 1 === rest.length)) break;
      this.#takeLine(rest.slice(0, end), events);
      rest = rest.slice(end + (rest.startsWith("\r\n", end) ? 2 : 1));
    }
    this.#line = rest;
    return events;
  }

  #takeLine(line, events) {
    if (line === "") {
      if (this.#data.length > 0) events.push(this.#data.join("\n"));
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");  // at 0 in a comment, as which keep-alives come
    const name = colon < 0 ? line : line.slice(0, colon);
    if (name === "data") this.#data.push(colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, ""));
  }
}

// The data of each event of a response's body, up to its end or "[DONE]".
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();  // keeps the first bytes of a cut character
  const parser = new SseParser();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const data of parser.push(decoder.decode(value, { stream: true }))) {
        if (data === "[DONE]") return;
        yield data;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
