// A minute in which nobody says anything: twice the time after which either end gives the other up.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as signalr from 'signalr10';
import { MessagePackHubProtocol } from 'msgpack10';
import { startService } from '../harness/service.js';

const SILENCE_MS = 62_000;
const { WebSockets, ServerSentEvents, LongPolling } = signalr.HttpTransportType;
const ways = [
  ['WebSockets', WebSockets, 'json'], ['WebSockets', WebSockets, 'messagepack'],
  ['ServerSentEvents', ServerSentEvents, 'json'],
  ['LongPolling', LongPolling, 'json'], ['LongPolling', LongPolling, 'messagepack'],
];

let service;
before(async () => { service = await startService({ name: 'test-hub', env: { SignalR__AllowStatefulReconnects: 'true' } }); });
after(async () => { assert.equal(await service.stop(), 0); });

/** Connects, says nothing for a minute, and calls; what happened to the connection meanwhile. */
async function beSilent(transport, protocol, isStateful) {
  const builder = new signalr.HubConnectionBuilder()
    .withUrl(`${service.web}/_hubs/test`, { transport })
    .withAutomaticReconnect()
    .configureLogging(signalr.LogLevel.None);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
  if (isStateful) builder.withStatefulReconnect();
  const connection = builder.build();
  const events = [];
  connection.onclose((error) => events.push(`closed: ${error}`));
  connection.onreconnecting((error) => events.push(`lost: ${error}`));
  await connection.start();
  const id = connection.connectionId;
  await sleep(SILENCE_MS);
  assert.deepEqual(events, []);
  assert.equal(await connection.invoke('Add', 3, 4), 7);
  assert.equal(connection.connectionId, id);
  await connection.stop();
}

// Side by side: a minute in all.
test('a connection lives through a minute of silence', { timeout: 110_000, concurrency: true }, async (t) => {
  await Promise.all(ways.flatMap(([name, transport, protocol]) => [false, true]
    .filter((isStateful) => !isStateful || transport === WebSockets)
    .map((isStateful) => t.test(`${name} with ${protocol}${isStateful ? ', stateful' : ''}`,
      () => beSilent(transport, protocol, isStateful)))));
});
