/** Preloaded into the exporter: a dependency that writes to stdout in every way it can think of. */
const fs = require('node:fs');

setInterval(() => {
  console.log('noise by console.log');
  process.stdout.write('noise by the stream\n');
  fs.writeSync(1, 'noise by the descriptor\n');
  fs.write(1, 'noise by the descriptor, later\n', () => {});
}, 5);
