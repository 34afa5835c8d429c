// The page of `presence-api dev`, used as a person would.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { launch, noBrowser } from '../harness/browser.js';
import { startProgram } from '../harness/service.js';

let service, browser;
before(async () => {
  if (noBrowser) return;
  service = await startProgram('presence-api', ['dev', '--urls', 'http://127.0.0.1:0', '--Kestrel:Grpc:Url=http://127.0.0.1:0', '--Presence:Grace=1']);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (service) assert.equal(await service.stop(), 0);
});

async function opened(options) {
  const page = await browser.newPage(options);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await page.goto(service.web);
  const cards = page.locator('.person');
  await cards.nth(3).waitFor();
  const card = (i) => cards.nth(i);
  const click = (i, action) => card(i).locator(`[data-action="${action}"]`).click();
  const state = (i, wanted) => page.waitForFunction(([i, wanted]) => document.querySelectorAll('.person')[i].dataset.state === wanted, [i, wanted]);
  const id = (i) => card(i).getAttribute('data-user');
  const sees = async (i, j, status) => card(i).locator(`[data-of="${await id(j)}"][data-status="${status}"]`).waitFor();
  return { page, errors, card, click, state, sees };
}

test('people come, announce themselves, reload, lose their network and go', { skip: noBrowser }, async () => {
  const { page, errors, click, state, sees } = await opened();
  await click(0, 'come');
  await state(0, 'here');
  await sees(0, 1, 'offline');
  await click(1, 'come');
  await sees(0, 1, 'online');
  await sees(1, 0, 'online');

  await click(1, 'announce');
  await page.waitForFunction(() => document.querySelectorAll('#events .online').length === 2);

  await click(1, 'reload');
  await state(1, 'here');
  await sees(0, 1, 'online');
  assert.equal(await page.locator('#events .offline').count(), 0, 'a reload is no absence');

  await click(1, 'lose');
  await state(1, 'cut');
  await sees(0, 1, 'offline');
  await click(1, 'lose');
  await state(1, 'here');
  await sees(0, 1, 'online');

  await click(1, 'tab');
  await page.locator('.person').nth(1).locator('.state', { hasText: '2 tabs' }).waitFor();
  await click(1, 'tab');
  await page.locator('.person').nth(1).locator('.state', { hasText: 'over WebSockets' }).waitFor();
  await sees(0, 1, 'online');
  await click(1, 'go');
  await sees(0, 1, 'offline');
  await click(0, 'go');
  await state(0, 'away');
  assert.deepEqual(errors, []);
  await page.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`the page fits a phone in the ${colorScheme} theme`, { skip: noBrowser }, async () => {
    const { page, click, sees } = await opened({ colorScheme, viewport: { width: 390, height: 844 } });
    await click(0, 'come');
    await click(1, 'come');
    await sees(0, 1, 'online');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, 'nothing stands out to the side');
    if (process.env.SCREENSHOTS) {
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/phone-${colorScheme}.png`, fullPage: true });
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/desk-${colorScheme}.png` });
    }
    await click(1, 'go');
    await click(0, 'go');
    await page.close();
  });
}
