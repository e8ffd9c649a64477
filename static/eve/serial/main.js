// The serial line's page: as the screen's, with a terminal in place of the screen.

import { ConsolePage } from "../console/page.js";
import { word } from "../console/words.js";
import { Line } from "./line.js";

const facts = document.body.dataset;
const page = new ConsolePage({
  kind: "serial",
  surfaceFor: (tell) =>
    new Line({
      target: document.getElementById("line"),
      library: facts.xterm,
      fitting: facts.xtermFit,
      again: word("again"),
      tell,
    }),
});
const line = page.surface;

page.start({
  // A serial line carries no window size: a shell in the guest has to be told.
  size: () => {
    const { rows, columns } = line.size;
    line.send(`stty rows ${rows} cols ${columns}\r`);
    line.focus();
  },
});
