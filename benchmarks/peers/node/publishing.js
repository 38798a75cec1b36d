// What every server of a benchmark does alike; see ../publishing.py.

export const options = { rate: 0, batch: 1 };
for (let i = 2; i + 1 < process.argv.length; i += 2) {
  const name = process.argv[i].slice(2);
  if (name in options) options[name] = Number(process.argv[i + 1]);
}

const pad = (number) => String(number).padStart(8, "0");

const textOf = (number, padding) =>
  JSON.stringify({
    type: "custom",
    data: {
      step: `step-${pad(number)}`,
      t: Number(process.hrtime.bigint()), // exact up to 104 days
      text: padding,
    },
    timestamp: Date.now(),
  });

const PADDING = "x".repeat(300 - textOf(0, "").length);

export const eventText = (number) => textOf(number, PADDING);

export const announce = (port, versions) =>
  console.log(JSON.stringify({ port, versions: { node: process.version, ...versions } }));

/** Calls `publish` with 0, 1, 2, … when it is time, until standard input is closed. */
export const publishEvents = (publish) => {
  let credit = 0;
  let published = 0;
  let partial = "";
  let waiting = true;
  let nextAt = 0;

  const publishOne = () => {
    if (published + options.batch > credit) {
      waiting = true;
      return;
    }
    for (let i = 0; i < options.batch; i++) publish(published++);
    again();
  };

  const again = () => {
    if (!options.rate) {
      setImmediate(publishOne);
      return;
    }
    nextAt += 1000 / options.rate;
    const delay = nextAt - performance.now();
    if (delay > 0) setTimeout(publishOne, delay);
    else setImmediate(publishOne);
  };

  process.stdin.on("data", (received) => {
    const lines = (partial + received).split("\n");
    partial = lines.pop();
    if (lines.length) credit = Number(lines.at(-1));
    if (waiting && credit) {
      waiting = false;
      nextAt = performance.now();
      publishOne();
    }
  });
  process.stdin.on("end", () => process.exit(0));
};
