// Fails where the first load of the app is more than it may be. Everything is counted, because everything is loaded first.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const limit = 200 * 1024;
const dist = new URL('../../internal/frontend/dist', import.meta.url).pathname;
let total = 0;
const walk = (dir) => {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) walk(path);
    else {
      const size = gzipSync(readFileSync(path), { level: 9 }).length;
      total += size;
      console.log(`${String(size).padStart(8)}  ${path.slice(dist.length + 1)}`);
    }
  }
};
walk(dist);
console.log(`${String(total).padStart(8)}  bytes compressed in all; the limit is ${limit}`);
if (total > limit) {
  console.error('size: the first load is too large');
  process.exit(1);
}
