// A page of another origin, with the stock client in a browser.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { launch, noBrowser } from '../harness/browser.js';
import { startOrigin } from '../harness/origin.js';
import { startService } from '../harness/service.js';

let friend, stranger, service, browser;
before(async () => {
  if (noBrowser) return;
  [friend, stranger] = await Promise.all([startOrigin(), startOrigin()]);
  service = await startService({ env: { Cors__AllowedOrigins: `http://localhost:5002,${friend.url}` } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  friend?.stop();
  stranger?.stop();
  if (service) assert.equal(await service.stop(), 0);
});

/** Runs a whole session in a page of `origin` and tells what it saw, or the error. */
async function session(origin, client, transport) {
  const page = await browser.newPage();
  await page.goto(origin.url);
  await page.addScriptTag({ url: `${origin.url}/${client}` });
  const [alice, bob] = [service.token(`alice-${client}-${transport}`), service.token(`bob-${client}-${transport}`)];
  const result = await page.evaluate(async ([hub, alice, bob, bobId, transport]) => {
    const connect = async (token) => {
      const connection = new signalR.HubConnectionBuilder()
        .withUrl(hub, { accessTokenFactory: () => token, transport: signalR.HttpTransportType[transport] })
        .configureLogging(signalR.LogLevel.None).build();
      connection.events = [];
      connection.on('PresenceStatusChanged', (user, status) => connection.events.push([user, status]));
      await connection.start();
      return connection;
    };
    try {
      const watcher = await connect(alice);
      await watcher.invoke('SubscribeToUserStatus', bobId);
      const watched = await connect(bob);
      while (watcher.events.length < 1) await new Promise((done) => setTimeout(done, 10));
      const status = await watcher.invoke('GetUserStatus', bobId);
      await watched.stop();
      while (watcher.events.length < 2) await new Promise((done) => setTimeout(done, 10));
      await watcher.stop();
      return { status, events: watcher.events.map(([, status]) => status) };
    } catch (error) {
      return { error: String(error) };
    }
  }, [`${service.web}/_hubs/presence`, alice, bob, `bob-${client}-${transport}`, transport]);
  await page.close();
  return result;
}

for (const client of ['signalr8', 'signalr9', 'signalr10']) {
  for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling']) {
    test(`${client} from an allowed origin over ${transport}`, { skip: noBrowser }, async () => {
      assert.deepEqual(await session(friend, client, transport), { status: 'online', events: ['online', 'offline'] });
    });
  }
}

test('a page of another origin gets nowhere', { skip: noBrowser }, async () => {
  const { error } = await session(stranger, 'signalr10', 'WebSockets');
  assert.match(error, /Failed to fetch|negotiat/);
});

test('nor may it open a WebSocket by itself', { skip: noBrowser }, async () => {
  const opens = async (origin) => {
    const page = await browser.newPage();
    await page.goto(origin.url);
    const opened = await page.evaluate(([hub, token]) => new Promise((resolve) => {
      const socket = new WebSocket(`${hub}?access_token=${token}`);
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    }), [`${service.web.replace('http', 'ws')}/_hubs/presence`, service.token('mallory')]);
    await page.close();
    return opened;
  };
  assert.equal(await opens(friend), true);
  assert.equal(await opens(stranger), false);
});
