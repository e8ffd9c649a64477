// The paths of a small curve; knows no page.

const HEIGHT = 20;
const LEAST = 0.25; // what the whole height stands for at least: a machine at rest looks like one

/** Of shares from 0 to 1, null where nothing is known: the line, and the area below it. A share is 1 wide. */
export function curve(shares) {
  const most = Math.max(LEAST, ...shares.map((share) => share ?? 0));
  const runs = [];
  let run = null;
  shares.forEach((share, index) => {
    if (share === null) run = null;
    else if (run) run.push([index, share]);
    else runs.push((run = [[index, share]]));
  });
  const at = ([index, share]) => `${index} ${round(HEIGHT - (HEIGHT - 1) * (share / most))}`;
  const line = runs.map((points) => `M${[...points, [points.at(-1)[0] + 1, points.at(-1)[1]]].map(at).join("L")}`);
  const area = runs.map((points, index) => `${line[index]}V${HEIGHT}H${points[0][0]}Z`);
  return { line: line.join(""), area: area.join("") };
}

function round(value) {
  return Math.round(value * 10) / 10;
}
