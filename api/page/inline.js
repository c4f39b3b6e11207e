// Code, bold and italic inside a line of Markdown: a tree of strings and {type, children}. One
// pass, in time linear in the text whatever the text is.

const tokenPattern = /\\[!-/:-@[-`{-~]|`+|\*\*|__|\*|_/g;
const types = { "**": "strong", "__": "strong", "*": "em", "_": "em" };
const isSpace = (c) => c === undefined || /\s/.test(c);
const isWord = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c);

// Where runs of backticks stand, by length; code ends at the next run of the length it began with.
function backtickRuns(text) {
  const runs = new Map();
  for (const match of text.matchAll(/`+/g)) {
    const length = match[0].length;
    if (!runs.has(length)) runs.set(length, []);
    runs.get(length).push(match.index);
  }
  return runs;
}

class InlineParser {
  #text;
  #runs;
  #stack = [{ mark: null, children: [] }];  // a mark stands on it once at most

  constructor(text) {
    this.#text = text;
    this.#runs = backtickRuns(text);
  }

  parse() {
    let at = 0;
    tokenPattern.lastIndex = 0;
    for (let match; (match = tokenPattern.exec(this.#text)); at = tokenPattern.lastIndex) {
      this.#add(this.#text.slice(at, match.index));
      tokenPattern.lastIndex = this.#token(match[0], match.index);
    }
    this.#add(this.#text.slice(at));
    while (this.#stack.length > 1) this.#giveUp();
    return this.#stack[0].children;
  }

  #add(node) {
    const { children } = this.#stack.at(-1);
    if (typeof node === "string" && typeof children.at(-1) === "string") {
      children[children.length - 1] += node;
    } else if (node !== "") {
      children.push(node);
    }
  }

  // Takes the token at `index`; returns where to go on.
  #token(token, index) {
    const end = index + token.length;
    if (token[0] === "\\") {
      this.#add(token[1]);
      return end;
    }
    if (token[0] === "`") return this.#code(token, end);
    this.#emphasis(token, index, end);
    return end;
  }

  #code(run, end) {
    const starts = this.#runs.get(run.length);
    while (starts.length > 0 && starts[0] < end) starts.shift();
    if (starts.length === 0) {
      this.#add(run);
      return end;
    }
    const text = this.#text.slice(end, starts[0]);
    const padded = /^ .* $/s.test(text) && text.trim() !== "";
    this.#add({ type: "code", children: [padded ? text.slice(1, -1) : text] });
    return starts[0] + run.length;
  }

  #emphasis(mark, index, end) {
    const before = this.#text[index - 1];
    const after = this.#text[end];
    const underscore = mark[0] === "_";  // inside a word it is a letter
    const open = this.#stack.findLastIndex((entry) => entry.mark === mark);
    if (open > 0 && !isSpace(before) && !(underscore && isWord(after))) {
      while (this.#stack.length > open + 1) this.#giveUp();
      const { children } = this.#stack.pop();
      this.#add({ type: types[mark], children });
    } else if (open < 0 && !isSpace(after) && !(underscore && isWord(before))) {
      this.#stack.push({ mark, children: [] });
    } else {
      this.#add(mark);
    }
  }

  // A mark that nothing closed is text.
  #giveUp() {
    const { mark, children } = this.#stack.pop();
    this.#add(mark);
    for (const child of children) this.#add(child);
  }
}

export const parseInline = (text) => new InlineParser(text).parse();
