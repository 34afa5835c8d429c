// Lost links and services that end, with the client's own automatic reconnect.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as signalr8 from 'signalr8';
import * as signalr9 from 'signalr9';
import * as signalr10 from 'signalr10';
import { startIssuer, startService, until } from '../harness/service.js';

const clients = { 8: signalr8, 9: signalr9, 10: signalr10 };
const GRACE_MS = 1000;

let service;
before(async () => { service = await startService({ env: { Presence__Grace: String(GRACE_MS / 1000) } }); });
after(async () => { assert.equal(await service.stop(), 0); });

let users = 0;
const newUser = (name) => `${name}-${++users}`;

/** A client as a chat has it: it watches `watched`, and does so again after it was gone. */
async function chat(version, user, { watched = [], retryAfter = 50, at = service } = {}) {
  const signalr = clients[version];
  const connection = new signalr.HubConnectionBuilder()
    .withUrl(`${at.web}/_hubs/presence`, { accessTokenFactory: () => at.token(user), transport: signalr.HttpTransportType.WebSockets })
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => retryAfter })
    .configureLogging(signalr.LogLevel.None)
    .build();
  const seen = Object.assign(connection, { events: [], closed: 0, lost: [], back: 0, snapshot: {} });
  const watch = async () => {
    for (const other of watched) {
      await connection.invoke('SubscribeToUserStatus', other);
      seen.snapshot[other] = await connection.invoke('GetUserStatus', other);
    }
  };
  connection.on('PresenceStatusChanged', (...args) => seen.events.push(args));
  connection.onreconnecting((error) => seen.lost.push(error?.message));
  connection.onreconnected(async () => { await watch(); seen.back++; });
  connection.onclose(() => { seen.closed++; });
  await connection.start();
  await watch();
  return connection;
}

/** Ends the socket below the client without a goodbye, as a tunnel does. */
const cut = (connection) => connection.connection.transport._webSocket.terminate();

for (const version of Object.keys(clients)) {
  describe(`signalr ${version}`, () => {
    test('a link that is back within the grace was never lost to others', async () => {
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const watched = await chat(version, bob);
      const watcher = await chat(version, alice, { watched: [bob] });
      const before = watched.connectionId;
      cut(watched);
      await until(() => watched.back === 1, 'bob is back');
      assert.notEqual(watched.connectionId, before, 'a new connection');
      // An announcement comes after whatever the reconnect could have caused.
      await watched.invoke('BroadcastOnlineStatus');
      await until(() => watcher.events.length > 0, 'alice hears bob');
      assert.deepEqual(watcher.events, [[bob, 'online']], 'the announcement alone');
      await Promise.all([watcher.stop(), watched.stop()]);
    });

    test('a link that is lost for longer is one absence', async () => {
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const watched = await chat(version, bob, { retryAfter: 2 * GRACE_MS });
      const watcher = await chat(version, alice, { watched: [bob] });
      cut(watched);
      await until(() => watched.back === 1, 'bob is back');
      await until(() => watcher.events.length === 2, 'alice hears both');
      assert.deepEqual(watcher.events, [[bob, 'offline'], [bob, 'online']]);
      await Promise.all([watcher.stop(), watched.stop()]);
    });

    test('who watched watches again after a lost link', async () => {
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const watcher = await chat(version, alice, { watched: [bob] });
      assert.equal(watcher.snapshot[bob], 'offline');
      cut(watcher);
      const watched = await chat(version, bob);
      await until(() => watcher.back === 1, 'alice is back');
      // Bob came while alice was away or after it: she has it from the answer or from the event.
      await until(() => watcher.snapshot[bob] === 'online' || watcher.events.length, 'alice knows');
      await watched.stop();
      await until(() => watcher.events.at(-1)?.[1] === 'offline', 'alice hears bob go');
      await watcher.stop();
    });

    test('a service that ends lets its clients come back to the next', async () => {
      const issuer = await startIssuer();
      const first = await startService({ issuer });
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const watched = await chat(version, bob, { at: first });
      const watcher = await chat(version, alice, { at: first, watched: [bob] });
      assert.equal(await first.stop(), 0, 'exit code');
      await until(() => watcher.lost.length && watched.lost.length, 'both may come back');
      assert.equal(watcher.closed + watched.closed, 0, 'nobody is turned away');

      const second = await startService({ issuer, urls: first.web });
      await until(() => watcher.back === 1 && watched.back === 1, 'both are back');
      await until(() => [watcher.snapshot[bob], watcher.events.at(-1)?.[1]].includes('online'), 'alice sees bob');
      assert.equal(await watcher.invoke('GetUserStatus', bob), 'online');
      assert.ok(!watcher.events.some(([, status]) => status === 'offline'), 'nobody was seen to go');
      await Promise.all([watcher.stop(), watched.stop()]);
      assert.equal(await second.stop(), 0);
      issuer.stop();
    });
  });
}
