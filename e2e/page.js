// Builds the script of the page of `presence-api dev`: `node page.js` writes it, the suite compares it with what is there.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const crate = fileURLToPath(new URL('../crates/presence-api/', import.meta.url));
export const built = `${crate}assets/app.js`;

/** The text of the built script. */
export async function page() {
  const { version } = createRequire(import.meta.url)('@microsoft/signalr/package.json');
  const licence = readFileSync(`${crate}page/signalr-licence.txt`, 'utf8').trim();
  const { outputFiles } = await build({
    entryPoints: [`${crate}page/app.js`], bundle: true, minify: true, write: false, charset: 'utf8', legalComments: 'none',
    format: 'esm', target: 'es2022',
    nodePaths: [fileURLToPath(new URL('node_modules', import.meta.url))],
    banner: { js: `/*!\nContains @microsoft/signalr ${version}.\n\n${licence}\n*/` },
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(built, await page());
