// Splits what a model writes into its thoughts and its answer. Some templates open <think> in the
// prompt, so the text may hold only the end of it.

const opening = "<think>";
const closing = "</think>";

export function splitThinking(text) {
  const start = text.trimStart().startsWith(opening) ? text.indexOf(opening) + opening.length : 0;
  const end = text.indexOf(closing, start);
  if (end >= 0) {
    return {
      thoughts: text.slice(start, end).trim(),
      answer: text.slice(end + closing.length).trimStart(),
      thinking: false,
    };
  }
  if (start > 0) return { thoughts: text.slice(start).trim(), answer: "", thinking: true };
  return { thoughts: "", answer: text, thinking: false };
}
