// A node of ASP.NET Core and one of ours on one Redis, with stock clients on both: everything crosses, both ways.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import * as signalr from 'signalr10';
import { MessagePackHubProtocol } from 'msgpack10';
import { startIssuer, until } from '../harness/service.js';
import { lacking, startNode, startPeer, startRedis } from '../harness/redis.js';

const reason = lacking();
let urls, token;
const ends = [];

before(async () => {
  if (reason) return;
  const [redis, issuer] = [await startRedis(), await startIssuer()];
  ends.push(() => redis.stop(), () => issuer.stop());
  const peer = await startPeer(redis, issuer);
  const ours = await startNode(redis, issuer, 'test-hub');
  ends.unshift(() => ours.stop(), () => peer.stop());
  token = issuer.token;
  urls = { ours: ours.web, peer: peer.web };
});

after(async () => { for (const end of ends) await end(); });

async function client(node, hub, user, protocol) {
  const builder = new signalr.HubConnectionBuilder()
    .withUrl(`${urls[node]}/_hubs/${hub}`, { accessTokenFactory: () => token(user) })
    .configureLogging(signalr.LogLevel.None);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
  const connection = builder.build();
  connection.received = [];
  connection.on('Receive', (text) => connection.received.push(text));
  connection.on('PresenceStatusChanged', (...args) => connection.received.push(args.join(' ')));
  connection.on('Ask', (value) => value * 10);
  await connection.start();
  return connection;
}

/** Each of these gets this text next, and nothing else came before. */
async function allGet(clients, text) {
  for (const connection of clients) {
    const first = await until(() => connection.received.length > 0 && { text: connection.received.shift() }, `${text} comes`);
    assert.equal(first.text, text);
  }
}

for (const [here, there] of [['ours', 'peer'], ['peer', 'ours']]) {
  test(`what a client at ${here} sends reaches clients at ${there}`, { skip: reason }, async () => {
    const alice = await client(here, 'test', 'alice', 'json');
    const packed = await client(here, 'test', 'carol', 'messagepack');
    const bob = await client(there, 'test', 'bob', 'messagepack');
    const twin = await client(there, 'test', 'alice', 'json');
    const everybody = [alice, packed, bob, twin];

    await alice.invoke('SendAll', 'all');
    await allGet(everybody, 'all');
    await packed.invoke('SendOthers', 'others');
    await allGet([alice, bob, twin], 'others');
    await bob.invoke('SendUser', 'alice', 'user');
    await allGet([alice, twin], 'user');
    const [bobId, twinId] = [await bob.invoke('ConnectionId'), await twin.invoke('ConnectionId')];
    await alice.invoke('SendClient', bobId, 'client');
    await allGet([bob], 'client');

    await alice.invoke('Join', 'room');
    await packed.invoke('JoinOther', bobId, 'room');
    await twin.invoke('SendGroup', 'room', 'group');
    await allGet([alice, bob], 'group');
    await alice.invoke('SendOthersInGroup', 'room', 'others in group');
    await allGet([bob], 'others in group');
    await alice.invoke('LeaveOther', bobId, 'room');
    await bob.invoke('SendGroup', 'room', 'group again');
    await allGet([alice], 'group again');

    assert.equal(await alice.invoke('AskClient', bobId, 7), 70);
    assert.equal(await packed.invoke('AskClient', twinId, 8), 80);
    await assert.rejects(alice.invoke('AskClient', 'nobody', 9), /An unexpected error occurred invoking 'AskClient' on the server\./);

    await bob.invoke('SendAll', 'last');
    await allGet(everybody, 'last');
    for (const connection of everybody) await connection.stop();
  });

  test(`watchers at ${here} see users at ${there}`, { skip: reason }, async () => {
    const watcher = await client(here, 'presence', 'alice', 'json');
    await watcher.invoke('SubscribeToUserStatus', 'bob');
    const bob = await client(there, 'presence', 'bob', 'messagepack');
    await allGet([watcher], 'bob online');
    assert.equal(await watcher.invoke('GetUserStatus', 'bob'), 'online');
    await bob.invoke('BroadcastOnlineStatus');
    await allGet([watcher], 'bob online');
    await bob.stop();
    await allGet([watcher], 'bob offline');
    assert.equal(await watcher.invoke('GetUserStatus', 'bob'), 'offline');
    await watcher.stop();
  });
}
