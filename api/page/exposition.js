// Reads Prometheus' text format, version 0.0.4: what /metrics answers.

const linePattern = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)/;
const labelPattern = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const escapes = { n: "\n" };  // any other escaped character stands for itself
const words = { "+Inf": Infinity, "-Inf": -Infinity, NaN };

function readLabels(text) {
  const labels = {};
  for (const [, name, value] of text.matchAll(labelPattern)) {
    labels[name] = value.replace(/\\(.)/g, (_, char) => escapes[char] ?? char);
  }
  return labels;
}

// The samples by name: Map of "name" to [{labels, value}]. What is no sample is left out.
export function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const match = linePattern.exec(line);
    if (match === null) continue;
    const [, name, labels = "", number] = match;
    const value = words[number] ?? Number(number);
    if (Number.isNaN(value) && number !== "NaN") continue;
    if (!metrics.has(name)) metrics.set(name, []);
    metrics.get(name).push({ labels: readLabels(labels), value });
  }
  return metrics;
}

export const samplesOf = (metrics, name) => metrics.get(name) ?? [];

// The sum over all labels, or those that `where` takes; 0 when there is none.
export function total(metrics, name, where = () => true) {
  let sum = 0;
  for (const { labels, value } of samplesOf(metrics, name)) {
    if (where(labels)) sum += value;
  }
  return sum;
}
