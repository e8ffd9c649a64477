// Names in sentences that scripts put together, as common/sentences.py has them in those of the server.

const OTHER_WAY = /[\u0590-\u08FF\u200F\u202A-\u202E\u2066-\u2069\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** `text`, to be put into a line of text whose order it leaves alone: isolated (UAX #9) where it is, or may be, written from right to left. */
export function isolated(text) {
  const isOtherPage = document.documentElement.dir === "rtl";
  return text && (isOtherPage || OTHER_WAY.test(text)) ? `\u2068${text}\u2069` : text;
}

/** A sentence with its {placeholders} filled; those without a value stay. */
export function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? isolated(String(values[key] ?? whole)) : whole));
}
