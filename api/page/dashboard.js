// The dashboard: scrapes /metrics every second while somebody looks, and draws the last minutes.

import { setUpBar } from "./bar.js";
import { showFacts } from "./board_facts.js";
import { panels, pointOf } from "./board_panels.js";
import { fetchMetrics } from "./client.js";
import { byId, textButton } from "./dom.js";
import { parseMetrics } from "./exposition.js";
import { onLanguage, t, translatePage } from "./i18n.js";
import { askForKey, currentKey, setUpKey } from "./key_dialog.js";
import { LineChart } from "./line_chart.js";
import { ScrapeWindow } from "./scrape_window.js";

const interval = 1000;
const history = 5 * 60 * 1000;
const windowLength = 5000;  // rates and percentiles are of so long: one second has too few requests
const staleAfter = 4 * interval;  // scrapes on both sides of a longer pause are not compared

const charts = panels.map((panel) => new LineChart({ ...panel, milliseconds: history }));
let scrapes = [];  // {time, metrics}, of the last windowLength
let points = [];  // of the last `history`

function take(scrape) {
  if (scrape.time - (scrapes.at(-1)?.time ?? 0) > staleAfter) scrapes = [];
  scrapes = scrapes.filter(({ time }) => scrape.time - time <= windowLength);
  scrapes.push(scrape);
  if (scrapes.length > 1) {
    points = points.filter(({ time }) => scrape.time - time <= history);
    points.push(pointOf(scrape.time, new ScrapeWindow(scrapes[0], scrape)));
  }
  show();
}

function show() {
  const newest = scrapes.at(-1);
  if (!newest) return;
  showFacts(newest.metrics, newest.time);
  for (const chart of charts) chart.show(points, newest.time);
}

function notice(...content) {
  byId("notice").replaceChildren(...content);
  byId("board").classList.toggle("stale", content.length > 0);
}

// Whether it is worth trying again by itself.
async function scrape() {
  try {
    const metrics = parseMetrics(await fetchMetrics(currentKey(), staleAfter));
    notice();
    take({ time: Date.now(), metrics });
    return true;
  } catch (error) {
    if (error.status === 401) return await askForKey();
    notice(error.message || t("board.unreachable"));
    return true;
  }
}

const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

function shown() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true });
  });
}

function retryAsked() {
  return new Promise((resolve) => {
    notice(`${t("key.needed")} `, textButton("model.retry", resolve));
  });
}

async function run() {
  while (true) {
    await shown();
    const began = Date.now();
    if (!await scrape()) await retryAsked();
    await sleep(Math.max(0, interval - (Date.now() - began)));
  }
}

translatePage();
setUpBar();
setUpKey();
byId("charts").append(...charts.map(({ node }) => node));
onLanguage(show);
run();
