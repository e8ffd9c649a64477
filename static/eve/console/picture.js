// A picture of the VM's screen as a file: as its host has it, whole and sharp whatever this page shows of it.

import { pictureOf } from "./api.js";

/**
 * Fetches the picture and has the browser save it. Throws what the request throws.
 * @param {string} url where it is
 * @param {string} name the VM's
 */
export async function savePicture(url, name) {
  const address = URL.createObjectURL(await pictureOf(url));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(name, new Date());
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

/** What the file is called: "web-1 2026-05-04 13.02.07.png", in the viewer's own time. Browsers take out what file systems refuse. */
function fileName(name, now) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".");
  return `${name} ${day} ${time}.png`;
}
