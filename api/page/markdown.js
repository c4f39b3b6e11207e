// A small subset of Markdown, as plain data: headings, paragraphs, fenced code, lists, quotes,
// rules; in lines code, bold and italic. No links, images or HTML: those stay text.
//
// A block is {type, start, ...}, where start is its offset in the text. Text that is added later
// changes the last block at most.

const fencePattern = /^( *)(`{3,}|~{3,}) *([^`]*)$/;
const headingPattern = /^ {0,3}(#{1,6}) +(\S.*?) *#* *$/;
const rulePattern = /^ {0,3}([-*_])( *\1){2,} *$/;
const itemPattern = /^( *)([-*+]|\d{1,9}[.)]) +(.*)$/;
const quotePattern = /^ {0,3}> ?(.*)$/;

function* linesOf(text) {
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    yield { start, text: text.slice(start, end).replace(/\r$/, "") };
    start = end + 1;
  }
}

function itemOf(match) {
  const ordered = /\d/.test(match[2]);
  return {
    indent: match[1].length,
    ordered,
    number: ordered ? Number.parseInt(match[2], 10) : null,
    text: match[3],
  };
}

function blockOf({ start, text }) {
  let match;
  if ((match = fencePattern.exec(text))) {
    const [, { length: indent }, fence, language] = match;
    return { type: "code", start, indent, fence, language: language.trim(), lines: [] };
  }
  if ((match = headingPattern.exec(text))) {
    return { type: "heading", start, level: match[1].length, text: match[2] };
  }
  if (rulePattern.test(text)) return { type: "rule", start };
  if ((match = itemPattern.exec(text))) return { type: "list", start, items: [itemOf(match)] };
  if ((match = quotePattern.exec(text))) return { type: "quote", start, lines: [match[1]] };
  return { type: "paragraph", start, lines: [text.trim()] };
}

// False when the line closed the fence.
function extendsCode(block, text) {
  const line = text.trim();
  const isFence = line === block.fence[0].repeat(line.length);
  if (isFence && line.length >= block.fence.length) return false;
  const own = text.search(/[^ ]|$/);
  block.lines.push(text.slice(Math.min(own, block.indent)));
  return true;
}

// A line inside a list: another item, or more of the last one. False when it is neither.
function extendsList(block, text, afterBlank) {
  const match = itemPattern.exec(text);
  if (match && !rulePattern.test(text)) {
    const item = itemOf(match);
    const first = block.items[0];
    if (item.indent <= first.indent && item.ordered !== first.ordered) return false;
    block.items.push(item);
    return true;
  }
  const indented = /^ {2,}\S/.test(text);
  const plain = blockOf({ text }).type === "paragraph";
  if (!plain || (afterBlank && !indented)) return false;
  block.items.at(-1).text += `\n${text.trim()}`;
  return true;
}

// Whether the line belongs to the open block, which then has it.
function extendsBlock(block, text, afterBlank) {
  if (block.type === "list") return extendsList(block, text, afterBlank);
  if (afterBlank) return false;
  const next = blockOf({ text });
  if (block.type === "paragraph" && next.type === "paragraph") {
    block.lines.push(text.trim());
    return true;
  }
  if (block.type === "quote" && next.type === "quote") {
    block.lines.push(next.lines[0]);
    return true;
  }
  return false;
}

export function parseBlocks(text) {
  const blocks = [];
  let code = null;  // the fenced block that is open
  let afterBlank = false;
  for (const line of linesOf(text)) {
    if (code) {
      if (!extendsCode(code, line.text)) code = null;
      continue;
    }
    if (line.text.trim() === "") {
      afterBlank = true;
      continue;
    }
    const last = blocks.at(-1);
    if (!last || !extendsBlock(last, line.text, afterBlank)) {
      const block = blockOf(line);
      blocks.push(block);
      if (block.type === "code") code = block;
    }
    afterBlank = false;
  }
  return blocks;
}
