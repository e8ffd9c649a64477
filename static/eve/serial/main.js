// The serial line's page: as the screen's, with a terminal in place of the screen.

import { KeyButtons, showKeyboard } from "../console/buttons.js";
import { saveFile } from "../console/files.js";
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
      typed: () => buttons.release(),
    }),
});
const line = page.surface;
const buttons = new KeyButtons(line);

line.target.addEventListener("focusout", () => showKeyboard(false));

page.start({
  keyboard: (button) => {
    const isUp = button.getAttribute("aria-pressed") === "true";
    line.blur(); // what has the focus already brings no keyboard up
    if (isUp) return;
    line.focus();
    showKeyboard(true);
  },
  // A serial line carries no window size: a shell in the guest has to be told.
  size: () => {
    const { rows, columns } = line.size;
    line.send(`stty rows ${rows} cols ${columns}\r`);
    line.focus();
  },
  "save-text": () => {
    saveFile(new Blob([line.text], { type: "text/plain" }), page.name, "txt");
    page.tell("text-saved");
  },
});
