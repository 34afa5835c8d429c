// Nodes of this service and of the ASP.NET Core service that it succeeds, on one Redis.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from 'signalr10';
import { MessagePackHubProtocol } from 'msgpack10';
import { startIssuer, until } from '../harness/service.js';
import { lacking, startBalancer, startNode, startPeer, startRedis } from '../harness/redis.js';

const skip = lacking();

/** Somebody connected to a node, who keeps what it is told. `skipNegotiation`: a balancer may part two requests. */
function client(url, issuer, user, protocol = 'json') {
  const builder = new HubConnectionBuilder()
    .withUrl(`${url}/_hubs/presence`, {
      accessTokenFactory: () => issuer.token(user), transport: HttpTransportType.WebSockets, skipNegotiation: true,
    })
    .withAutomaticReconnect(Array(100).fill(100))
    .configureLogging(LogLevel.None);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
  const connection = builder.build();
  connection.events = [];
  connection.on('PresenceStatusChanged', (...event) => connection.events.push(event));
  return connection;
}

async function started(...args) {
  const connection = client(...args);
  await connection.start();
  return connection;
}

test('users and watchers on both sides see every change', { skip }, async () => {
  const [redis, issuer] = [await startRedis(), await startIssuer()];
  const [rust, dotnet] = [await startNode(redis, issuer), await startPeer(redis, issuer)];
  const watchers = [];
  for (const at of [rust, dotnet]) {
    for (const protocol of ['json', 'messagepack']) {
      const watcher = await started(at.web, issuer, `watcher ${watchers.length}`, protocol);
      for (const user of ['rita', 'dora']) await watcher.invoke('SubscribeToUserStatus', user);
      watchers.push(watcher);
    }
  }
  const allHear = async (...event) => {
    const heard = (watcher) => watcher.events.some((found) => assert.ok(found.length === 2) ?? found.join() === event.join());
    await until(() => watchers.every(heard), `everybody hears ${event}`);
    for (const watcher of watchers) {
      assert.deepEqual(watcher.events.splice(0), [event]);
      assert.equal(await watcher.invoke('GetUserStatus', event[0]), event[1]);
    }
  };
  for (const [user, at, protocol] of [['rita', rust, 'messagepack'], ['dora', dotnet, 'json']]) {
    const someone = await started(at.web, issuer, user, protocol);
    await allHear(user, 'online');
    await someone.invoke('BroadcastOnlineStatus');
    await allHear(user, 'online');
    await someone.stop();
    await allHear(user, 'offline');
  }

  // The original says offline when one of two tabs closes; the node that holds the other one sets that right.
  const [here, there] = [await started(rust.web, issuer, 'rita'), await started(dotnet.web, issuer, 'rita')];
  await until(() => watchers.every((watcher) => watcher.events.length > 0), 'rita comes');
  await there.stop();
  await until(() => watchers.every((watcher) => {
    const told = watcher.events.map(([, status]) => status);
    return told.includes('offline') && told.at(-1) === 'online';
  }), 'offline, and set right', 15_000);
  await here.stop();
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  assert.equal(await rust.stop(), 0);
  await dotnet.stop();
  await redis.stop();
  issuer.stop();
});

test('two nodes are replaced one by one under 200 clients', { skip, timeout: 120_000 }, async () => {
  const [redis, issuer] = [await startRedis(), await startIssuer()];
  const old = [await startPeer(redis, issuer), await startPeer(redis, issuer)];
  const balancer = await startBalancer(old.map((one) => one.port));
  const users = [...Array(200).keys()].map((number) => `user ${number}`);
  const people = users.map((user, number) => {
    const person = client(balancer.url, issuer, user, number % 2 ? 'json' : 'messagepack');
    person.watches = [1, 2, 3, 50, 100].map((step) => users[(number + step) % users.length]);
    person.believes = new Map();
    person.on('PresenceStatusChanged', (watched, status) => person.believes.set(watched, status));
    person.look = async () => {
      for (const watched of person.watches) {
        await person.invoke('SubscribeToUserStatus', watched);
        person.believes.set(watched, await person.invoke('GetUserStatus', watched));
      }
    };
    person.onreconnected(() => person.look().catch(() => {})); // the link may be lost again meanwhile
    return person;
  });
  for (let at = 0; at < people.length; at += 20) {
    await Promise.all(people.slice(at, at + 20).map((person) => person.start()));
  }
  await Promise.all(people.map((person) => person.look()));
  // Web clients announce themselves, or the original's status words end.
  const heartbeat = setInterval(() => people.forEach((person) => {
    if (person.state === 'Connected') person.invoke('BroadcastOnlineStatus').catch(() => {});
  }), 4_000);

  const fresh = [];
  const port = (service) => Number(new URL(service.web).port);
  for (const replaced of old) {
    fresh.push(await startNode(redis, issuer));
    balancer.ports = [...fresh.map(port), ...old.slice(fresh.length).map((one) => one.port)];
    await replaced.stop();
    await until(() => people.every((person) => person.state === 'Connected'), 'everybody is back', 20_000);
  }
  const wrong = () => people.flatMap((person) => person.watches.filter((user) => person.believes.get(user) !== 'online'));
  await until(() => wrong().length === 0, 'nobody is wrong about anybody', 15_000);
  // A third has left for good, and everybody else knows.
  const gone = new Set(users.filter((_, number) => number % 3 === 0));
  await Promise.all(people.filter((_, number) => number % 3 === 0).map((person) => person.stop()));
  const stay = people.filter((_, number) => number % 3 !== 0);
  await until(() => stay.every((person) => person.watches.every((user) =>
    person.believes.get(user) === (gone.has(user) ? 'offline' : 'online'))), 'those who left are offline', 15_000);

  clearInterval(heartbeat);
  await Promise.all(stay.map((person) => person.stop()));
  for (const service of fresh) assert.equal(await service.stop(), 0);
  balancer.stop();
  await redis.stop();
  issuer.stop();
});
