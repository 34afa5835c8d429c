// Real tabs of a browser: how reloading, closing and crashing look to those who watch.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as signalr from 'signalr10';
import { launch, noBrowser } from '../harness/browser.js';
import { startOrigin } from '../harness/origin.js';
import { startService, until } from '../harness/service.js';

let origin, service, browser;
before(async () => {
  if (noBrowser) return;
  origin = await startOrigin();
  service = await startService({ env: { Cors__AllowedOrigins: origin.url, Presence__Grace: '2' } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  origin?.stop();
  if (service) assert.equal(await service.stop(), 0);
});

/** Somebody in Node who hears what becomes of `user`. */
async function watcherOf(user) {
  const connection = new signalr.HubConnectionBuilder()
    .withUrl(`${service.web}/_hubs/presence`, { accessTokenFactory: () => service.token(`watcher-of-${user}`), transport: signalr.HttpTransportType.WebSockets })
    .configureLogging(signalr.LogLevel.None).build();
  connection.heard = [];
  connection.on('PresenceStatusChanged', (_, status) => connection.heard.push(status));
  await connection.start();
  await connection.invoke('SubscribeToUserStatus', user);
  return connection;
}

/** Opens a tab whose page connects as `user` each time it is loaded, as a chat does. */
async function openTab(user) {
  const page = await browser.newPage();
  await page.goto(`${origin.url}/chat?${new URLSearchParams({ hub: `${service.web}/_hubs/presence`, token: service.token(user) })}`);
  await connected(page);
  return page;
}
const connected = (page) => page.waitForFunction(() => globalThis.connection?.state === 'Connected');
const announce = (page) => page.evaluate(() => globalThis.connection.invoke('BroadcastOnlineStatus'));

test('a tab that is reloaded was never away', { skip: noBrowser }, async () => {
  const watcher = await watcherOf('bob');
  const tab = await openTab('bob');
  for (let i = 0; i < 3; i++) {
    await tab.reload();
    await connected(tab);
  }
  await announce(tab); // comes after whatever the reloads could have caused
  await until(() => watcher.heard.length >= 2, 'the announcement');
  assert.deepEqual(watcher.heard, ['online', 'online'], 'the first connect and the announcement');
  await tab.close();
  await until(() => watcher.heard.length === 3, 'bob goes');
  assert.equal(watcher.heard[2], 'offline');
  await watcher.stop();
});

test('of two tabs one may crash', { skip: noBrowser }, async () => {
  const watcher = await watcherOf('eve');
  const [one, two] = [await openTab('eve'), await openTab('eve')];
  const crashed = once(two, 'crash');
  two.goto('chrome://crash').catch(() => {}); // never answers
  await crashed;
  await announce(one);
  await until(() => watcher.heard.length >= 2, 'the announcement');
  assert.deepEqual(watcher.heard, ['online', 'online']);
  await one.close();
  await until(() => watcher.heard.length === 3, 'eve goes');
  assert.equal(watcher.heard[2], 'offline');
  await watcher.stop();
});

test('who says goodbye is gone at once', { skip: noBrowser }, async () => {
  const watcher = await watcherOf('ida');
  const tab = await openTab('ida');
  await until(() => watcher.heard.length === 1, 'ida comes');
  await tab.evaluate(() => globalThis.connection.stop());
  // Well within the grace of 2 s: nobody waits for who said goodbye.
  await until(() => watcher.heard.length === 2, 'ida goes', 1_000);
  assert.deepEqual(watcher.heard, ['online', 'offline']);
  await tab.close();
  await watcher.stop();
});
