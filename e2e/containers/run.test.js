// What compose.yaml starts, started without an engine: Redis, two nodes, the balancer; and stock clients in front of it.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import grpc from '@grpc/grpc-js';
import * as signalr from 'signalr10';
import { launch, noBrowser } from '../harness/browser.js';
import { readCompose } from '../harness/compose.js';
import { layOut, missing } from '../harness/containers.js';
import { PresenceAPI } from '../harness/contract.js';
import { startOrigin } from '../harness/origin.js';
import { root, startIssuer, until } from '../harness/service.js';

const { WebSockets, ServerSentEvents, LongPolling } = signalr.HttpTransportType;
const TRANSPORTS = { WebSockets, ServerSentEvents, LongPolling };
const NEGOTIATE = '/_hubs/presence/negotiate?negotiateVersion=1';

if (missing) console.error(`${missing}: what compose.yaml runs is not run`);

let issuer, containers, web;
const started = {}, chats = [];
const variables = () => ({ ApiAuth__Authority: issuer.url, ApiAuth__RequireHttpsMetadata: 'false' });

describe('compose.yaml', { skip: missing }, () => {
  before(async () => {
    issuer = await startIssuer();
    containers = await layOut(readCompose(variables(), 'compose.yaml'));
    web = `http://127.0.0.1:${containers.published[8080]}`;
    // The balancer waits for nobody: nodes may come later, and come back elsewhere.
    started.balancer = containers.start('balancer');
    started.redis = containers.start('redis');
    await containers.healthy('redis');
    for (const node of ['node1', 'node2']) started[node] = containers.start(node);
    for (const node of ['node1', 'node2']) await containers.healthy(node);
    await until(async () => (await nodesOf(20)).size === 2, 'the balancer knows both nodes', 20_000);
  });

  after(async () => {
    await containers?.close();
    // Those that a failed test has left would try to come back for ever.
    await Promise.all(chats.map((client) => client.stop()));
    issuer?.stop();
  });

  test('health checks say whom they asked and what it said', () => {
    const { code, said } = containers.health('node1');
    assert.equal(code, 0);
    assert.equal(said, `http://127.0.0.1:${containers.ports.node1[8080]}/health/ready: Healthy`);
    assert.equal(containers.health('redis').said, 'PONG');
  });

  test('the balancer passes on health, and no figures', async () => {
    assert.equal((await fetch(`${web}/health/ready`)).status, 200);
    assert.equal((await fetch(`${web}/metrics`)).status, 404);
  });

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    test(`users of two nodes see each other: ${name}`, async () => {
      const [alice, bob] = [await userOf('node1', `alice-${name}`), await userOf('node2', `bob-${name}`)];
      const before = [await connectionsAt('node1'), await connectionsAt('node2')];
      const first = await chat(alice, transport, [bob]);
      assert.equal(first.snapshot[bob], 'offline');
      const second = await chat(bob, transport, [alice]);
      assert.equal(second.snapshot[alice], 'online');
      await until(() => first.events.length === 1, 'alice hears bob come');
      assert.deepEqual([await connectionsAt('node1') - before[0], await connectionsAt('node2') - before[1]], [1, 1]);
      await first.stop();
      await until(() => second.events.length === 1, 'bob hears alice go');
      assert.deepEqual([first.events, second.events], [[[bob, 'online']], [[alice, 'offline']]]);
      await second.stop();
    });
  }

  test('clients without cookies stay at the node of their user, with another token of theirs too', async () => {
    for (let i = 0; i < 8; i++) {
      const user = `carol-${i}`;
      const { connectionToken } = await (await negotiate(user)).json();
      const hub = `${web}/_hubs/presence?id=${connectionToken}`;
      const later = issuer.token(user, { jti: `another-${i}` });
      // Long polling: the first poll is answered at once, and takes the transport.
      const poll = await fetch(hub, { headers: { authorization: `Bearer ${later}` } });
      assert.equal(poll.status, 200, 'by header');
      const send = await fetch(`${hub}&access_token=${later}`, { method: 'POST', body: '{"protocol":"json","version":1}\x1e' });
      assert.equal(send.status, 200, 'by query');
      const end = await fetch(hub, { method: 'DELETE', headers: { authorization: `Bearer ${later}` } });
      assert.equal(end.status, 202);
    }
  });

  test('a cookie is stronger than the user', async () => {
    const user = await userOf('node1', 'dave');
    const answer = await negotiate(user, { cookie: 'node=node2' });
    assert.equal(answer.headers.get('set-cookie'), null, 'it is kept');
    const { connectionToken } = await answer.json();
    const ask = (cookie) => fetch(`${web}/_hubs/presence?id=${connectionToken}`, { headers: { authorization: `Bearer ${issuer.token(user)}`, cookie } });
    assert.equal((await ask('node=node1')).status, 404, 'the other node does not know it');
    assert.equal((await ask('node=node2')).status, 200);
    await fetch(`${web}/_hubs/presence?id=${connectionToken}`, {
      method: 'DELETE', headers: { authorization: `Bearer ${issuer.token(user)}`, cookie: 'node=node2' },
    });
  });

  test('back ends ask over gRPC through the balancer', async () => {
    const [alice, bob] = [await userOf('node1', 'erin'), await userOf('node2', 'frank')];
    const people = [await chat(alice, WebSockets), await chat(bob, WebSockets)];
    // Several calls over one connection, so that each node is asked.
    for (let i = 0; i < 4; i++) {
      assert.deepEqual(await statuses([alice, 'nobody', bob]), [
        { userId: alice, status: 'online' }, { userId: 'nobody', status: 'offline' }, { userId: bob, status: 'online' },
      ]);
    }
    await Promise.all(people.map((person) => person.stop()));
  });

  test('clients of a node that ends come back to the other one', async () => {
    const watched = await Promise.all(Object.keys(TRANSPORTS).map((name) => userOf('node1', `grace-${name}`)));
    const watcher = await chat(await userOf('node2', 'heidi'), WebSockets, watched);
    const clients = await Promise.all(Object.values(TRANSPORTS).map((transport, i) => chat(watched[i], transport)));
    await until(() => watcher.events.length === 3, 'all are seen to come');

    assert.equal(await started.node1.stop(), 0, 'exit code');
    assert.equal(containers.health('node1').code, 1);
    await until(() => clients.every((client) => client.back === 1), 'all are back', 20_000);
    assert.deepEqual(await statuses(watched), watched.map((userId) => ({ userId, status: 'online' })));
    await until(async () => await connectionsAt('node2') === 4, 'the other node has all');
    assert.ok(!watcher.events.some(([, status]) => status === 'offline'), 'nobody was seen to go');

    started.node1 = containers.start('node1');
    await containers.healthy('node1');
    await until(async () => (await nodesOf(20)).size === 2, 'the balancer knows it again', 20_000);
    // Who kept the cookie of the other node stays there, requests of long polling included.
    for (const client of clients) assert.equal(await client.invoke('GetUserStatus', watched[0]), 'online');
    assert.equal(clients.reduce((sum, client) => sum + client.back, 0), 3);
    await Promise.all([watcher, ...clients].map((client) => client.stop()));
  });

  test('clients of a node that freezes come back to the other one', async (t) => {
    t.after(() => started.node1.signal('SIGCONT'));
    const people = await Promise.all(Object.keys(TRANSPORTS).map((name) => userOf('node1', `frozen-${name}`)));
    const clients = await Promise.all(Object.values(TRANSPORTS).map((transport, i) => chat(people[i], transport)));
    started.node1.signal('SIGSTOP');
    // Twice 3 s without an answer, and a second before each; clients would wait for 30 s.
    await until(() => clients.every((client) => client.back === 1), 'all are back', 20_000);
    assert.deepEqual(await statuses(people), people.map((userId) => ({ userId, status: 'online' })));
    started.node1.signal('SIGCONT');
    await containers.healthy('node1');
    await until(async () => (await nodesOf(20)).size === 2, 'the balancer knows it again', 20_000);
    for (const client of clients) assert.equal(await client.invoke('GetUserStatus', people[0]), 'online');
    await Promise.all(clients.map((client) => client.stop()));
  });

  test('the balancer logs no token', () => {
    const log = started.balancer.log();
    assert.match(log, /POST \/_hubs\/presence\/negotiate web\/node2 200/);
    assert.ok(!log.includes('eyJ') && !log.includes('access_token'), log);
  });

  test('all end with 0 when they are asked to', async () => {
    for (const name of ['node1', 'node2', 'redis']) assert.equal(await started[name].stop(), 0, name);
  });
});

test('compose.tls.yaml adds TLS', { skip: missing }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  const data = join(root, 'crates/presence-api/src/tls/data');
  writeFileSync(join(folder, 'tls.pem'), readFileSync(join(data, 'rsa.pem'), 'utf8') + readFileSync(join(data, 'rsa-pkcs1.key'), 'utf8'));
  const own = await startIssuer();
  const origin = await startOrigin();
  const services = readCompose({
    ApiAuth__Authority: own.url, ApiAuth__RequireHttpsMetadata: 'false', Cors__AllowedOrigins: origin.url, TLS_PEM: relative(root, join(folder, 'tls.pem')),
  }, 'compose.yaml', 'compose.tls.yaml');
  const secured = await layOut(services);
  // The certificate is nobody's. Node reads this whenever it connects.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    for (const name of ['redis', 'node1', 'node2', 'balancer']) secured.start(name);
    const hub = `https://127.0.0.1:${secured.published[8081]}/_hubs/presence`;
    const at = (name, user) => new signalr.HubConnectionBuilder()
      .withUrl(hub, { accessTokenFactory: () => own.token(user), transport: TRANSPORTS[name] })
      .configureLogging(signalr.LogLevel.None).build();
    for (const name of Object.keys(TRANSPORTS)) {
      const connection = await until(async () => {
        const candidate = at(name, name);
        return candidate.start().then(() => candidate, () => null);
      }, `${name} over TLS`, 30_000);
      assert.equal(await connection.invoke('GetUserStatus', name), 'online');
      await connection.stop();
    }
    if (noBrowser) t.diagnostic(noBrowser);
    else await inBrowser(origin, hub, own);
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    await secured.close();
    own.stop();
    origin.stop();
    rmSync(folder, { recursive: true });
  }
});

/** A page of another site by each transport. Its browser drops the cookie, and speaks HTTP/2. */
async function inBrowser(origin, hub, own) {
  const browser = await launch();
  try {
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(origin.url);
    await page.addScriptTag({ url: `${origin.url}/signalr10` });
    for (const [name, transport] of Object.entries(TRANSPORTS)) {
      for (const user of [`${name}-a`, `${name}-b`, `${name}-c`]) {
        const status = await page.evaluate(async ([url, token, transport, user]) => {
          const connection = new signalR.HubConnectionBuilder().withUrl(url, { accessTokenFactory: () => token, transport })
            .configureLogging(signalR.LogLevel.None).build();
          await connection.start();
          const told = await connection.invoke('GetUserStatus', user);
          await connection.stop();
          return told;
        }, [hub, own.token(user), transport, user]);
        assert.equal(status, 'online', user);
      }
    }
  } finally { await browser.close(); }
}

const negotiate = (user, headers = {}) =>
  fetch(web + NEGOTIATE, { method: 'POST', headers: { authorization: `Bearer ${issuer.token(user)}`, ...headers } });

/** The node that a client without cookies gets, by the cookie that the balancer gives it. */
async function nodeOf(user) {
  const answer = await negotiate(user);
  await answer.text();
  if (answer.status !== 200) return null;
  const [, node] = /^node=(node\d); path=\/; HttpOnly; SameSite=Lax$/.exec(answer.headers.get('set-cookie'));
  return node;
}

/** The nodes of so many users. */
async function nodesOf(users) {
  const nodes = await Promise.all([...Array(users).keys()].map((i) => nodeOf(`anybody-${i}`)));
  return new Set(nodes.filter(Boolean));
}

/** A user whom the balancer sends to this node. */
async function userOf(node, name) {
  for (let i = 0; i < 64; i++) {
    if (await nodeOf(`${name}-${i}`) === node) return `${name}-${i}`;
  }
  throw new Error(`none of 64 users is at ${node}`);
}

/** The hub connections that are open at a node. */
async function connectionsAt(node) {
  const figures = await (await fetch(`http://127.0.0.1:${containers.ports[node][8080]}/metrics`)).text();
  const counts = [...figures.matchAll(/^presence_connections(?:\{[^}]*\})? (\d+)$/gm)].map(([, count]) => Number(count));
  assert.ok(counts.length > 0, figures);
  return counts.reduce((sum, count) => sum + count);
}

/** A client as a chat has it: it watches `watched`, and does so again after it was gone. */
async function chat(user, transport, watched = []) {
  const connection = new signalr.HubConnectionBuilder()
    .withUrl(`${web}/_hubs/presence`, { accessTokenFactory: () => issuer.token(user), transport })
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 })
    .configureLogging(signalr.LogLevel.None).build();
  Object.assign(connection, { events: [], snapshot: {}, back: 0 });
  const watch = async () => {
    for (const other of watched) {
      await connection.invoke('SubscribeToUserStatus', other);
      connection.snapshot[other] = await connection.invoke('GetUserStatus', other);
    }
  };
  connection.on('PresenceStatusChanged', (...args) => connection.events.push(args));
  chats.push(connection);
  connection.onreconnected(async () => { await watch(); connection.back++; });
  await connection.start();
  await watch();
  return connection;
}

/** What a back end is told through the balancer. */
async function statuses(userIds) {
  const client = new PresenceAPI(`127.0.0.1:${containers.published[8082]}`, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${issuer.token('worker')}`);
  try {
    return await new Promise((resolve, reject) => {
      client.GetUsersStatus({ userIds }, metadata, (error, response) => (error ? reject(error) : resolve(response.users)));
    });
  } finally { client.close(); }
}
