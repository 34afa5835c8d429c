// A node of ASP.NET Core and one of ours on one Redis, with stock clients on both: everything crosses, both ways.
//
// PEER names the script that starts the other service. OURS_URL and PEER_URL, together, name services that run already,
// with ISSUER_TOKEN_alice, _bob and _carol as tokens for these users.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import * as signalr from 'signalr10';
import { MessagePackHubProtocol } from 'msgpack10';
import { startIssuer, startService, until } from '../harness/service.js';

const { PEER, OURS_URL, PEER_URL } = process.env;
const isGiven = Boolean(OURS_URL && PEER_URL);
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
const reason = isGiven ? false
  : !PEER ? 'PEER does not name a script that starts the service on ASP.NET Core'
    : !hasRedis ? 'redis-server is not installed' : false;

let urls, token;
const ends = [];

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const answers = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Starts a process that ends with this suite, and waits until it listens. */
async function listening(what, command, args, port, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  ends.push(kill);
  await until(() => answers(port), `${what} listens`, 60_000);
}

before(async () => {
  if (reason) return;
  if (isGiven) {
    urls = { ours: OURS_URL, peer: PEER_URL };
    token = (user) => process.env[`ISSUER_TOKEN_${user}`];
    return;
  }
  const [redis, http, grpc] = [await freePort(), await freePort(), await freePort()];
  await listening('Redis', 'redis-server', ['--port', redis, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], redis);
  const issuer = await startIssuer();
  ends.push(() => issuer.stop());
  token = issuer.token;
  await listening('the peer', PEER, [], http, {
    REF_HTTP: http, REF_GRPC: grpc, REF_AUTHORITY: issuer.url, REF_REDIS: `127.0.0.1:${redis}`, REF_MSGPACK: '1', REF_QUERY: '1',
  });
  const ours = await startService({ name: 'test-hub', issuer, env: { Redis__ConnectionString: `127.0.0.1:${redis}` } });
  ends.unshift(() => ours.stop());
  urls = { ours: ours.web, peer: `http://127.0.0.1:${http}` };
  // It begins when Redis is there.
  await until(async () => (await fetch(`${ours.web}/health/ready`)).status === 200, 'our node is ready', 20_000);
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
