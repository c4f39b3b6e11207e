// Small builders of DOM nodes. Text only ever becomes text nodes: nothing here takes markup.

import { label, t } from "./i18n.js";

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// One of the symbols of index.html.
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#icon-${name}`);
}

export function iconButton(name, key, onClick) {
  const button = element("button", { type: "button", className: "button", onclick: onClick },
    icon(name));
  button.dataset.i18nLabel = key;
  label(button, t(key));
  return button;
}

export function textButton(key, onClick) {
  const button = element("button",
    { type: "button", className: "button outlined", textContent: t(key), onclick: onClick });
  button.dataset.i18n = key;
  return button;
}

// A button that copies what `text()` returns, and shows for a moment that it did.
export function copyButton(key, text) {
  const button = iconButton("copy", key, async () => {
    const done = await copyText(text());
    if (!done) return;
    setIcon(button, "check");
    setTimeout(() => setIcon(button, "copy"), 1500);
  });
  return button;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);  // the clipboard API needs a secure context
  }
}

function copyBySelection(text) {
  const active = document.activeElement;
  const area = element("textarea", { value: text, className: "hidden", readOnly: true });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  active?.focus();
  return done;
}
