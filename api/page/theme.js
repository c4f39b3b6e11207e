// Light, dark, or as the system says. Runs before the first paint, so that a chosen theme does not
// flash; the colours are in base.css.

import { read, write } from "./storage.js";

const storageKey = "tandem-theme";
const themes = ["auto", "light", "dark"];

let theme = read(storageKey);
if (!themes.includes(theme)) theme = "auto";
document.documentElement.dataset.theme = theme;

export const currentTheme = () => theme;

export function nextTheme() {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  document.documentElement.dataset.theme = theme;
  write(storageKey, theme);
}
