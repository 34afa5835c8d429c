// The presence hub with Microsoft's own JavaScript client, in three versions, over every transport and protocol.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import * as signalr8 from 'signalr8';
import * as signalr9 from 'signalr9';
import * as signalr10 from 'signalr10';
import { MessagePackHubProtocol as MessagePack8 } from 'msgpack8';
import { MessagePackHubProtocol as MessagePack9 } from 'msgpack9';
import { MessagePackHubProtocol as MessagePack10 } from 'msgpack10';
import { startService, until } from '../harness/service.js';

const clients = { 8: [signalr8, MessagePack8], 9: [signalr9, MessagePack9], 10: [signalr10, MessagePack10] };
const { WebSockets, ServerSentEvents, LongPolling } = signalr10.HttpTransportType;
const ways = [
  ['WebSockets', WebSockets, 'json'], ['WebSockets', WebSockets, 'messagepack'],
  ['ServerSentEvents', ServerSentEvents, 'json'],
  ['LongPolling', LongPolling, 'json'], ['LongPolling', LongPolling, 'messagepack'],
];

let service;
before(async () => { service = await startService({ env: { Presence__Grace: '1' } }); });
after(async () => { assert.equal(await service.stop(), 0); });

let users = 0;
const newUser = (name) => `${name}-${++users}`;

function connect(user, { version = 10, transport = WebSockets, protocol = 'json', ...options } = {}) {
  const [signalr, MessagePack] = clients[version];
  const builder = new signalr.HubConnectionBuilder()
    .withUrl(`${service.web}/_hubs/presence`, { accessTokenFactory: () => service.token(user), transport, ...options })
    .configureLogging(signalr.LogLevel.None);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePack());
  const connection = builder.build();
  connection.events = [];
  connection.on('PresenceStatusChanged', (...args) => connection.events.push(args));
  return connection;
}

/** The text of an error as ASP.NET Core words it: of a call that cannot be made, and of one that went wrong. */
const notMade = (method, why) => ({ message: `Failed to invoke '${method}' due to an error on the server.${why}` });
const wentWrong = (method, why) => ({ message: `An unexpected error occurred invoking '${method}' on the server.${why}` });

async function started(user, options) {
  const connection = connect(user, options);
  await connection.start();
  return connection;
}

for (const version of Object.keys(clients)) {
  for (const [name, transport, protocol] of ways) {
    test(`signalr ${version} over ${name} with ${protocol}: watch somebody come, announce and go`, async () => {
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const options = { version, transport, protocol };
      const watcher = await started(alice, options);
      assert.equal(await watcher.invoke('SubscribeToUserStatus', bob), null);
      assert.equal(await watcher.invoke('GetUserStatus', bob), 'offline');

      const watched = await started(bob, options);
      await until(() => watcher.events.length === 1, 'bob comes');
      assert.equal(await watcher.invoke('GetUserStatus', bob), 'online');
      await watched.invoke('BroadcastOnlineStatus');
      await until(() => watcher.events.length === 2, 'bob announces himself');
      await watched.stop();
      await until(() => watcher.events.length === 3, 'bob goes');
      assert.deepEqual(watcher.events, [[bob, 'online'], [bob, 'online'], [bob, 'offline']]);

      await watcher.invoke('UnsubscribeFromUserStatus', bob);
      const again = await started(bob, options);
      assert.equal(await watcher.invoke('GetUserStatus', bob), 'online');
      assert.equal(watcher.events.length, 3, 'who does not watch hears nothing');
      await Promise.all([watcher.stop(), again.stop()]);
    });
  }
}

for (const version of Object.keys(clients)) {
  describe(`signalr ${version}`, () => {
    test('closing one of two tabs leaves the person online', async () => {
      const [alice, bob] = [newUser('alice'), newUser('bob')];
      const watcher = await started(alice, { version });
      await watcher.invoke('SubscribeToUserStatus', bob);
      const [one, two] = [await started(bob, { version }), await started(bob, { version })];
      await one.stop();
      assert.equal(await watcher.invoke('GetUserStatus', bob), 'online');
      await two.stop();
      await until(() => watcher.events.length === 2, 'the last tab closes');
      assert.deepEqual(watcher.events, [[bob, 'online'], [bob, 'offline']]);
      await watcher.stop();
    });

    test('a client that skips negotiation is served', async () => {
      const connection = await started(newUser('alice'), { version, skipNegotiation: true });
      assert.equal(await connection.invoke('GetUserStatus', 'nobody'), 'offline');
      await connection.stop();
    });

    test('errors are in the words of .NET', async () => {
      const connection = await started(newUser('alice'), { version });
      await assert.rejects(connection.invoke('NoSuchMethod'), notMade('NoSuchMethod', ' HubException: Method does not exist.'));
      await assert.rejects(connection.invoke('GetUserStatus'), notMade('GetUserStatus', ''));
      await assert.rejects(connection.invoke('GetUserStatus', ''), wentWrong('GetUserStatus', ' HubException: userId: the user id is empty'));
      assert.equal(await connection.invoke('GetUserStatus', 'nobody'), 'offline', 'the connection goes on');
      await connection.stop();
    });

    test('without a good token nobody gets in', async () => {
      const refused = (claims) => {
        const connection = connect('x', { version, accessTokenFactory: () => service.token('x', claims) });
        return connection.start();
      };
      await assert.rejects(refused({ exp: 1 }), /401/);
      await assert.rejects(refused({ aud: 'somebody else' }), /401/);
      await assert.rejects(refused({ scope: 'openid' }), /403/);
    });
  });
}

test('a person who says nothing stays online while connected', async () => {
  const alice = newUser('alice');
  const connection = await started(alice);
  await new Promise((done) => setTimeout(done, 11_000)); // the original's time to live is 10 s: time is the subject
  assert.equal(await connection.invoke('GetUserStatus', alice), 'online');
  await connection.stop();
});
