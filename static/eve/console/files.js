// What a console shows as a file on the viewer's computer.

/**
 * Has the browser save it.
 * @param {Blob} content
 * @param {string} name the VM's
 * @param {string} ending of the file's name, such as "png"
 */
export function saveFile(content, name, ending) {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(name, ending, new Date());
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

/** What the file is called: "web-1 2026-05-04 13.02.07.png", in the viewer's own time. Browsers take out what file systems refuse. */
function fileName(name, ending, now) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".");
  return `${name} ${day} ${time}.${ending}`;
}
