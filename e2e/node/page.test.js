// The committed script of the page of `presence-api dev` is what its source makes.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { built, page } from '../page.js';

test('the built page is that of its source (npm run page)', async () => {
  assert.ok(readFileSync(built, 'utf8') === await page(), 'assets/app.js is not what page/app.js makes');
});
