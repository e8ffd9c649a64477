// What graphs make of columns of figures; knows no page.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const ROWS = 12;

/** 1536 is "1.5 KiB". */
export function bytesWords(bytes, language = "en") {
  let amount = bytes;
  let unit = 0;
  while (Math.abs(amount) >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(amount)} ${UNITS[unit]}`;
}

export function rateWords(bytes, language = "en") {
  return `${bytesWords(bytes, language)}/s`;
}

/** The end of an axis: a round number at or above `most`. Of bytes, 1, 2 or 5 times a power of 1024 or 10 of it. */
export function nice(most, isBytes) {
  if (!most || most <= 0) return isBytes ? 1024 : 1;
  let unit = 1;
  while (isBytes && most / unit >= 1024) unit *= 1024;
  const power = 10 ** Math.floor(Math.log10(most / unit));
  const step = [1, 2, 5, 10].find((each) => each * power * unit >= most);
  return step * power * unit;
}

/** The newest figure that is known, when it was, and the highest. */
export function summary(times, column) {
  let last = null;
  let at = 0;
  let most = null;
  column.forEach((value, index) => {
    if (value === null) return;
    last = value;
    at = times[index];
    if (most === null || value > most) most = value;
  });
  return { last, at, most };
}

/**
 * The graph with samples added: those of times that it has take their place, newer ones follow, and as many of the oldest
 * go. Between what it has and what comes, missing times stay empty. What is unknown in the samples changes nothing.
 */
export function merged(graph, samples) {
  const names = Object.keys(graph).filter((name) => name !== "times" && Array.isArray(graph[name]));
  const step = graph.step_seconds;
  const known = samples.times.filter((_, index) => names.some((name) => samples[name][index] !== null));
  if (!known.length) return graph;
  const length = graph.times.length;
  const end = Math.max(graph.times.at(-1), known.at(-1));
  const begin = end - (length - 1) * step;
  const times = Array.from({ length }, (_, index) => begin + index * step);
  const fresh = { ...graph, times };
  for (const name of names) {
    const at = new Map(graph.times.map((time, index) => [time, graph[name][index]]));
    samples.times.forEach((time, index) => {
      if (samples[name][index] !== null) at.set(time, samples[name][index]);
    });
    fresh[name] = times.map((time) => at.get(time) ?? null);
  }
  return fresh;
}

/** At most twelve spans, newest first, each with the mean of what is known of every column; null where nothing is. */
export function rows(times, step, columns) {
  const size = Math.max(1, Math.ceil(times.length / ROWS));
  const found = [];
  for (let end = times.length; end > 0; end -= size) {
    const start = Math.max(0, end - size);
    const values = columns.map((column) => {
      const known = column.slice(start, end).filter((value) => value !== null);
      return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
    });
    found.push({ since: times[start], until: times[end - 1] + step, values });
  }
  return found;
}
