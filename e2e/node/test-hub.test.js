// Everything else that a hub can do, with the stock client against the test hub.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import * as signalr from 'signalr10';
import { MessagePackHubProtocol } from 'msgpack10';
import { startService, until } from '../harness/service.js';

const { WebSockets, ServerSentEvents, LongPolling } = signalr.HttpTransportType;
const ways = [
  ['WebSockets', WebSockets, 'json'], ['WebSockets', WebSockets, 'messagepack'],
  ['ServerSentEvents', ServerSentEvents, 'json'],
  ['LongPolling', LongPolling, 'json'], ['LongPolling', LongPolling, 'messagepack'],
];

let service;
before(async () => { service = await startService({ name: 'test-hub', env: { SignalR__AllowStatefulReconnects: 'true' } }); });
after(async () => { assert.equal(await service.stop(), 0); });

async function started(transport, protocol, user, configure = (builder) => builder) {
  const builder = new signalr.HubConnectionBuilder()
    .withUrl(`${service.web}/_hubs/test`, { transport, ...(user && { accessTokenFactory: () => service.token(user) }) })
    .configureLogging(signalr.LogLevel.None);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
  const connection = configure(builder).build();
  connection.received = [];
  connection.on('Receive', (...args) => connection.received.push(args));
  connection.on('Ask', (value) => value * 10);
  await connection.start();
  return connection;
}

function items(connection, method, ...args) {
  return new Promise((resolve, reject) => {
    const all = [];
    connection.stream(method, ...args).subscribe({ next: (item) => all.push(item), complete: () => resolve(all), error: reject });
  });
}

for (const [name, transport, protocol] of ways) {
  test(`${name} with ${protocol}: calls, streams, client results`, async () => {
    const connection = await started(transport, protocol);
    assert.equal(await connection.invoke('Add', 3, 4), 7);
    assert.equal(await connection.invoke('EchoString', 'é😀\u0000\u001e'), 'é😀\u0000\u001e');
    assert.equal((await connection.invoke('EchoString', 'x'.repeat(30_000))).length, 30_000);
    assert.deepEqual(await items(connection, 'Count', 500, 0), [...Array(500).keys()]);
    await assert.rejects(items(connection, 'CountThenThrow', 2), /stream broke/);
    assert.equal(await connection.invoke('AskCaller', 7), 70);

    const upload = new signalr.Subject();
    const sum = connection.invoke('Sum', upload);
    for (let i = 1; i <= 100; i++) upload.next(i);
    upload.complete();
    assert.equal(await sum, 5050);

    const both = new signalr.Subject();
    const doubled = items(connection, 'Doubled', both);
    for (let i = 0; i < 50; i++) both.next(i);
    both.complete();
    assert.deepEqual(await doubled, [...Array(50).keys()].map((i) => 2 * i));
    await connection.stop();
  });

  test(`${name} with ${protocol}: groups and users`, async () => {
    const group = `group-${name}-${protocol}`;
    const [a, b, c] = await Promise.all(['ann', 'ben', 'ben'].map((user) => started(transport, protocol, `${user}-${group}`)));
    await Promise.all([a.invoke('Join', group), b.invoke('Join', group)]);
    await a.invoke('SendGroup', group, 'to the group');
    await a.invoke('SendOthersInGroup', group, 'to the others');
    await a.invoke('SendUser', `ben-${group}`, 'to ben');
    await a.invoke('SendClient', await c.invoke('ConnectionId'), 'to one');
    await until(() => a.received.length === 1 && b.received.length === 3 && c.received.length === 2, 'messages arrive');
    assert.deepEqual(a.received, [['to the group']]);
    assert.deepEqual(b.received, [['to the group'], ['to the others'], ['to ben']]);
    assert.deepEqual(c.received, [['to ben'], ['to one']]);
    await Promise.all([a, b, c].map((connection) => connection.stop()));
  });
}

test('three hundred clients at once on mixed transports', async () => {
  const all = await Promise.all([...Array(300).keys()].map((i) => started(ways[i % ways.length][1], ways[i % ways.length][2])));
  await Promise.all(all.map((connection) => connection.invoke('Join', 'crowd')));
  await all[0].invoke('SendGroup', 'crowd', 'hello');
  await until(() => all.every((connection) => connection.received.length === 1), 'all hear it', 30_000);
  const sums = await Promise.all(all.map((connection, i) => connection.invoke('Add', i, 1)));
  assert.deepEqual(sums, [...Array(300).keys()].map((i) => i + 1));
  await Promise.all(all.map((connection) => connection.stop()));
});

test('a cut that is healed in time is none', async () => {
  const connection = await started(WebSockets, 'json', 'eve', (builder) => builder.withStatefulReconnect());
  let reconnecting = false;
  connection.onreconnecting(() => { reconnecting = true; });
  const id = await connection.invoke('ConnectionId');
  const counted = [];
  await new Promise((resolve, reject) => connection.stream('Count', 60, 20).subscribe({
    next: (item) => {
      counted.push(item);
      // What arrives tells that there is a socket to cut.
      if ([10, 25, 40].includes(counted.length)) connection.connection.transport._webSocket.terminate();
    },
    complete: resolve, error: reject,
  }));
  assert.deepEqual(counted, [...Array(60).keys()], 'nothing lost, nothing doubled');
  assert.equal(await connection.invoke('ConnectionId'), id, 'the same connection');
  assert.equal(reconnecting, false);
  await connection.stop();
});
