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

async function opened(options, address = service.web) {
  const page = await browser.newPage(options);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await page.goto(address);
  const cards = page.locator('.person');
  await cards.nth(3).waitFor();
  assert.ok(await cards.count() >= 4, 'at least four people');
  const card = (i) => cards.nth(i);
  const click = (i, action) => card(i).locator(`[data-action="${action}"]`).click();
  const state = (i, wanted) => page.waitForFunction(([i, wanted]) => document.querySelectorAll('.person')[i].dataset.state === wanted, [i, wanted]);
  /** A person comes, and has asked after everybody: the buttons are for those who are here. */
  const come = async (i) => {
    await click(i, 'come');
    await state(i, 'here');
  };
  const id = (i) => card(i).getAttribute('data-user');
  const sees = async (i, j, status) => card(i).locator(`[data-of="${await id(j)}"][data-status="${status}"]`).waitFor();
  const events = (wanted) => page.waitForFunction((wanted) => document.querySelectorAll('#events li').length === wanted, wanted);
  return { page, errors, card, click, come, state, sees, events };
}

/** Holds the next token back, once it is asked for, until it is given. */
async function holdToken(page) {
  let held, tell;
  const asked = new Promise((resolve) => { tell = resolve; });
  await page.route('**/dev/token?*', (route) => {
    if (held) return route.continue();
    held = route;
    return tell();
  });
  return { asked, give: () => held.continue() };
}

/** Holds back what connections that are opened from now on call, until it is let go; handshakes go through. */
async function holdCalls(page) {
  let tell, isHeld = true;
  const called = new Promise((resolve) => { tell = resolve; });
  await page.routeWebSocket('**/_hubs/presence?*', (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      if (isHeld && `${message}`.includes('"target"')) tell();
      else server.send(message);
    });
  });
  return { called, letGo: () => { isHeld = false; } };
}

/** What a browser writes to its console when its network or the service is away; the page can do nothing about it. */
const isNetworkError = (text) => /net::ERR_|WebSocket connection/.test(text);

test('people come, announce themselves, reload, lose their network and go', { skip: noBrowser }, async () => {
  const { page, errors, card, click, come, state, sees } = await opened();
  await come(0);
  await sees(0, 1, 'offline');
  await come(1);
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

  // What a person knows stays on the screen while their second tab connects.
  await card(1).evaluate((shown) => {
    globalThis.seen = new Set();
    new MutationObserver((changes) => changes.forEach(({ target }) => globalThis.seen.add(target.dataset.status)))
      .observe(shown, { subtree: true, attributeFilter: ['data-status'] });
  });
  await click(1, 'tab');
  await page.locator('.person').nth(1).locator('.state', { hasText: '2 tabs' }).waitFor();
  assert.deepEqual(await page.evaluate(() => [...globalThis.seen].sort()), ['offline', 'online']);
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

test('everybody comes and sees everybody, and hears of each who goes', { skip: noBrowser }, async () => {
  const { page, errors, click, sees, state, events } = await opened();
  await page.locator('#all-come').click();
  for (let i = 0; i < 4; i++) await state(i, 'here');
  for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) if (i !== j) await sees(i, j, 'online');
  await page.locator('#clear').click();
  await events(0);
  await click(3, 'go');
  for (let i = 0; i < 3; i++) await sees(i, 3, 'offline');
  await events(3);
  await page.locator('#all-go').click();
  for (let i = 0; i < 4; i++) await state(i, 'away');
  assert.deepEqual(errors, []);
  await page.close();
});

test('who has the switch on announces again and again', { skip: noBrowser }, async () => {
  const { page, click, come, sees, card, events } = await opened();
  await page.clock.install();
  await come(0);
  await come(1);
  await sees(0, 1, 'online');
  // From here on time passes only as told, and never enough for the client to take the service for gone (30 s).
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000));
  await page.locator('#clear').click();
  await card(1).locator('.heartbeat').check();
  await events(1);
  await page.clock.runFor(5_000);
  await events(2);
  await card(1).locator('.heartbeat').uncheck();
  await page.clock.runFor(15_000);
  await click(1, 'announce');
  await events(3);
  await page.close();
});

test('somebody may change their mind while they connect', { skip: noBrowser }, async () => {
  const { page, errors, click, come, state, card } = await opened();
  const token = await holdToken(page);
  await click(0, 'come');
  await token.asked;
  await click(0, 'go');
  await state(0, 'away');
  await token.give();
  await come(0);
  assert.equal(await card(0).locator('.error').isVisible(), false);
  assert.deepEqual(errors, []);
  await click(0, 'go');
  await page.close();
});

test('who goes while two tabs reload stays away', { skip: noBrowser }, async () => {
  const { page, errors, card, click, come, state, sees } = await opened();
  await come(0);
  await come(1);
  await sees(0, 1, 'online');
  await click(1, 'tab');
  await card(1).locator('.state', { hasText: '2 tabs' }).waitFor();
  const token = await holdToken(page);
  await click(1, 'reload');
  await token.asked;
  await click(1, 'go');
  await state(1, 'away');
  await token.give();
  await sees(0, 1, 'offline');
  await come(1);
  await sees(0, 1, 'online');
  await card(1).locator('.state', { hasText: 'over WebSockets' }).waitFor(); // one tab: none came by itself
  assert.deepEqual(errors, []);
  await click(1, 'go');
  await click(0, 'go');
  await page.close();
});

test('the page finds a service that was started again, and tells what it cannot do meanwhile', { skip: noBrowser }, async (t) => {
  const started = async (web) => {
    const program = await startProgram('presence-api', ['dev', '--urls', web, '--Kestrel:Grpc:Url=http://127.0.0.1:0']);
    t.after(() => program.stop()); // also where the test fails: a child that runs keeps the whole suite waiting
    return program;
  };
  const other = await started('http://127.0.0.1:0');
  const { page, errors, card, click, come, state, sees } = await opened({}, other.web);
  await come(0);
  await come(1);
  await sees(0, 1, 'online');
  const calls = await holdCalls(page);
  await click(2, 'come');
  await calls.called;
  assert.equal(await other.stop(), 0);
  for (const i of [0, 1, 2]) await state(i, 'trying');
  await click(3, 'come');
  await card(3).locator('.error').waitFor();
  await state(3, 'away');

  calls.letGo();
  const again = await started(other.web);
  for (const i of [0, 1, 2]) await state(i, 'here');
  for (const [i, j] of [[0, 1], [1, 0], [2, 0], [0, 2]]) await sees(i, j, 'online');
  assert.equal(await card(2).locator('.error').isVisible(), false);
  assert.deepEqual(errors.filter((text) => !isNetworkError(text)), []);
  await page.close();
  assert.equal(await again.stop(), 0);
});

test('the keyboard is enough, and stays where it is', { skip: noBrowser }, async () => {
  const { page, card, state } = await opened();
  const come = card(0).locator('[data-action="come"]');
  await come.focus();
  await page.keyboard.press('Enter');
  await state(0, 'here');
  assert.equal(await come.evaluate((button) => button === document.activeElement), true, 'the focus stays');
  await page.keyboard.press('Enter'); // not allowed now: nothing happens
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await state(0, 'away');
  const labels = await page.locator('.person [data-action]').evaluateAll((all) => all.map((button) => button.getAttribute('aria-label')));
  assert.equal(new Set(labels).size, labels.length, 'every button has a name of its own');
  await page.close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`the page fits a phone in the ${colorScheme} theme`, { skip: noBrowser }, async () => {
    const { page, click, come, sees } = await opened({ colorScheme, viewport: { width: 390, height: 844 } });
    await come(0);
    await come(1);
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
