// What happened between two scrapes of the server: rates of counters, percentiles of histograms.

import { samplesOf, total } from "./exposition.js";

// How much a counter grew. One that shrank began again at zero, with a new server.
export const increase = (before, after) => (after < before ? after : after - before);

// [{bound, count}] in ascending order; a bucket's count has those of the lower ones in it.
export function bucketsOf(metrics, name) {
  const counts = new Map();
  for (const { labels, value } of samplesOf(metrics, `${name}_bucket`)) {
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return [...counts].map(([bound, count]) => ({ bound, count })).sort((a, b) => a.bound - b.bound);
}

// The observations that came between the two. Began anew with the server, as its counters.
export function bucketIncrease(before, after) {
  const known = new Map(before.map(({ bound, count }) => [bound, count]));
  const began = (before.at(-1)?.count ?? 0) > (after.at(-1)?.count ?? 0);
  return after.map(({ bound, count }) =>
    ({ bound, count: began ? count : Math.max(0, count - (known.get(bound) ?? 0)) }));
}

// The value that a share of the observations does not exceed, taken as spread evenly inside a
// bucket, as Prometheus' histogram_quantile does it. null without observations. What is above the
// last bound counts as that bound.
export function quantile(share, buckets) {
  const all = buckets.at(-1)?.count ?? 0;
  if (all <= 0) return null;
  const rank = share * all;
  let lower = { bound: 0, count: 0 };
  for (const upper of buckets) {
    if (upper.count >= rank && upper.count > lower.count) {
      if (upper.bound === Infinity) return lower.bound;
      const part = (rank - lower.count) / (upper.count - lower.count);
      return lower.bound + (upper.bound - lower.bound) * part;
    }
    lower = upper;
  }
  return lower.bound;
}

// Two scrapes, {time, metrics} with the time in milliseconds, and what one asks of them.
export class ScrapeWindow {
  constructor(before, after) {
    this.before = before.metrics;
    this.after = after.metrics;
    this.seconds = (after.time - before.time) / 1000;
  }

  // Label sets one by one: one of them may begin again, or be new.
  growth(name, where = () => true) {
    const key = (labels) => JSON.stringify(Object.entries(labels).sort());
    const known = new Map(
      samplesOf(this.before, name).map(({ labels, value }) => [key(labels), value]));
    let sum = 0;
    for (const { labels, value } of samplesOf(this.after, name)) {
      if (where(labels)) sum += increase(known.get(key(labels)) ?? 0, value);
    }
    return sum;
  }

  rate(name, where) {
    return this.seconds > 0 ? this.growth(name, where) / this.seconds : null;
  }

  // The growth of one counter as a share of another's; null when that stood still.
  share(part, whole) {
    const growth = this.growth(whole);
    return growth > 0 ? this.growth(part) / growth : null;
  }

  percentile(share, name) {
    return quantile(share,
      bucketIncrease(bucketsOf(this.before, name), bucketsOf(this.after, name)));
  }

  gauge(name) {
    return samplesOf(this.after, name).length > 0 ? total(this.after, name) : null;
  }
}
