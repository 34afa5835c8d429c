// TLS: browsers speak HTTP/2 for negotiation and HTTP/1.1 for the WebSocket, back ends speak gRPC.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import { launch, noBrowser } from '../harness/browser.js';
import { PresenceAPI } from '../harness/contract.js';
import { startOrigin } from '../harness/origin.js';
import { root, startService } from '../harness/service.js';

const certificate = join(root, 'crates/presence-api/src/tls/data/rsa.pem');

let origin, service, browser;
before(async () => {
  origin = await startOrigin();
  service = await startService({
    urls: 'http://127.0.0.1:0;https://127.0.0.1:0',
    env: {
      Cors__AllowedOrigins: origin.url, Kestrel__Grpc__Url: 'https://127.0.0.1:0',
      Kestrel__Certificates__Default__Path: certificate,
      Kestrel__Certificates__Default__KeyPath: certificate.replace('rsa.pem', 'rsa-pkcs1.key'),
    },
  });
  if (!noBrowser) browser = await launch();
});
after(async () => {
  await browser?.close();
  origin.stop();
  assert.equal(await service.stop(), 0);
});

test('a browser gets in over TLS', { skip: noBrowser }, async () => {
  const [, secure] = service.addresses;
  const page = await browser.newPage({ ignoreHTTPSErrors: true }); // the certificate is for `localhost` and nobody's
  const inspector = await page.context().newCDPSession(page);
  await inspector.send('Network.enable');
  const protocols = [];
  inspector.on('Network.responseReceived', ({ response }) => {
    if (response.url.startsWith(secure)) protocols.push(response.protocol);
  });
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(new URL(socket.url()).protocol));
  await page.goto(origin.url);
  await page.addScriptTag({ url: `${origin.url}/signalr10` });
  const status = await page.evaluate(async ([hub, token]) => {
    const connection = new signalR.HubConnectionBuilder().withUrl(hub, { accessTokenFactory: () => token })
      .configureLogging(signalR.LogLevel.None).build();
    await connection.start();
    const status = await connection.invoke('GetUserStatus', 'tess');
    await connection.stop();
    return status;
  }, [`${secure}/_hubs/presence`, service.token('tess')]);
  assert.equal(status, 'online');
  assert.deepEqual(sockets, ['wss:']);
  assert.ok(protocols.length > 0, 'negotiation was seen');
  assert.ok(protocols.every((protocol) => protocol === 'h2'), protocols.join());
  await page.close();
});

test('plain requests are sent to TLS with their method', async () => {
  const [plain, secure] = service.addresses;
  const response = await fetch(`${plain}/_hubs/presence/negotiate?negotiateVersion=1`, { method: 'POST', redirect: 'manual' });
  assert.equal(response.status, 307);
  assert.equal(response.headers.get('location'), `${secure}/_hubs/presence/negotiate?negotiateVersion=1`);
});

test('gRPC over TLS', async () => {
  const address = service.addresses[2].replace('https://', '');
  const client = new PresenceAPI(address, grpc.credentials.createSsl(readFileSync(certificate)), {
    'grpc.ssl_target_name_override': 'localhost', 'grpc.default_authority': 'localhost',
  });
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${service.token('worker')}`);
  const users = await new Promise((resolve, reject) => {
    client.GetUsersStatus({ userIds: ['a', 'b'] }, metadata, (error, response) => (error ? reject(error) : resolve(response.users)));
  });
  assert.deepEqual(users, [{ userId: 'a', status: 'offline' }, { userId: 'b', status: 'offline' }]);
  client.close();
});
