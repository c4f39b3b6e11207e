// Shows Markdown that grows: blocks that can no longer change are made once, and only what follows
// them is made again. Every text goes into a text node, so a model's output cannot become markup.

import { copyButton, element } from "./dom.js";
import { parseInline } from "./inline.js";
import { parseBlocks } from "./markdown.js";

// Line breaks are kept: models mean them.
function inlineNodes(text) {
  const nodeOf = (node) => {
    if (typeof node === "string") {
      return node.split("\n").flatMap((line, i) => (i === 0 ? [line] : [element("br"), line]));
    }
    return [element(node.type, {}, ...node.children.flatMap(nodeOf))];
  };
  return parseInline(text).flatMap(nodeOf);
}

// Nested lists out of items that only know how far they are indented.
function listNode(items) {
  const levels = [];  // the open lists, outermost first: {indent, ordered, node}
  const root = element("div", { className: "list" });
  for (const item of items) {
    while (levels.length > 1 && item.indent < levels.at(-1).indent) levels.pop();
    let level = levels.at(-1);
    if (!level || item.indent >= level.indent + 2) {
      const node = element(item.ordered ? "ol" : "ul");
      if (item.ordered) node.start = item.number;
      (level?.node.lastChild ?? root).append(node);
      level = { indent: item.indent, node };
      levels.push(level);
    }
    level.node.append(element("li", {}, ...inlineNodes(item.text)));
  }
  return root;
}

function codeNode(block) {
  const code = element("code", { textContent: block.lines.join("\n") });
  const head = element("div", { className: "code-head" },
    element("span", { textContent: block.language }),
    copyButton("message.copy_code", () => code.textContent));
  return element("div", { className: "code" }, head, element("pre", { tabIndex: 0 }, code));
}

function blockNode(block) {
  switch (block.type) {
    case "code":
      return codeNode(block);
    case "heading":  // below the page's own headings
      return element(`h${Math.min(block.level + 2, 6)}`, {}, ...inlineNodes(block.text));
    case "rule":
      return element("hr");
    case "list":
      return listNode(block.items);
    case "quote":
      return element("blockquote", {}, ...inlineNodes(block.lines.join("\n")));
    default:
      return element("p", {}, ...inlineNodes(block.lines.join("\n")));
  }
}

// Code that grows keeps its nodes, and with them the selection and the button's focus.
function growCode(node, block) {
  const text = block.lines.join("\n");
  const code = node.querySelector("code");
  const old = code.textContent;
  if (!text.startsWith(old)) code.textContent = text;
  else if (code.firstChild) code.firstChild.appendData(text.slice(old.length));
  else code.append(text);
}

export class MarkdownView {
  element = element("div", { className: "markdown" });
  #text = "";
  #settled = 0;  // the offset up to which blocks are final
  #tail = [];    // {block, node} after it

  update(text) {
    if (text === this.#text) return;
    if (!text.startsWith(this.#text)) this.#clear();
    this.#text = text;
    this.#settle();
    this.#showTail(parseBlocks(text.slice(this.#settled)));
  }

  #clear() {
    this.element.replaceChildren();
    this.#settled = 0;
    this.#tail = [];
  }

  // The last block may grow, and the last line may yet turn into anything.
  #settle() {
    const lineStart = this.#text.lastIndexOf("\n") + 1;
    if (lineStart <= this.#settled) return;
    const blocks = parseBlocks(this.#text.slice(this.#settled, lineStart));
    if (blocks.length < 2) return;
    this.#showTail(blocks);
    this.#tail = this.#tail.slice(-1);
    this.#settled += blocks.at(-1).start;
  }

  #showTail(blocks) {
    const old = this.#tail;
    this.#tail = blocks.map((block, i) => ({ block, node: this.#place(block, old[i]) }));
    for (const { node } of old.slice(blocks.length)) node.remove();
  }

  // Shows the block where `old` stood, or at the end.
  #place(block, old) {
    if (old?.block.type === "code" && block.type === "code" &&
        old.block.language === block.language) {
      growCode(old.node, block);
      return old.node;
    }
    const node = blockNode(block);
    if (old) old.node.replaceWith(node);
    else this.element.append(node);
    return node;
  }
}

// The same interface for text that is shown as it is.
export class PlainView {
  element = element("div", { className: "plain" });

  update(text) {
    const node = this.element.firstChild;
    if (node && text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
    else this.element.replaceChildren(text);
  }
}
