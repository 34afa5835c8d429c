// The gRPC contract with the stock client for Node.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import grpc from '@grpc/grpc-js';
import * as signalr from 'signalr10';
import { PresenceAPI } from '../harness/contract.js';
import { startService } from '../harness/service.js';

let service, client;
before(async () => {
  service = await startService();
  client = new PresenceAPI(service.grpc.replace('http://', ''), grpc.credentials.createInsecure());
});
after(async () => { client.close(); assert.equal(await service.stop(), 0); });

const call = (userIds, token = service.token('worker')) => new Promise((resolve, reject) => {
  const metadata = new grpc.Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  client.GetUsersStatus({ userIds }, metadata, (error, response) => (error ? reject(error) : resolve(response.users)));
});
const code = (promise) => promise.then(() => grpc.status.OK, (error) => error.code);

test('answers come in the order asked, duplicates included', async () => {
  const connection = new signalr.HubConnectionBuilder()
    .withUrl(`${service.web}/_hubs/presence`, { accessTokenFactory: () => service.token('bob'), transport: 1 })
    .configureLogging(signalr.LogLevel.None).build();
  await connection.start();
  assert.deepEqual(await call(['zoe', 'bob', 'zoe', 'bob']), [
    { userId: 'zoe', status: 'offline' }, { userId: 'bob', status: 'online' },
    { userId: 'zoe', status: 'offline' }, { userId: 'bob', status: 'online' },
  ]);
  await connection.stop();
});

test('limits are told with the field that breaks them', async () => {
  const ids = (count) => [...Array(count).keys()].map(String);
  assert.equal((await call(ids(1000))).length, 1000);
  await assert.rejects(call(ids(1001)), { code: grpc.status.INVALID_ARGUMENT, details: /userIds/ });
  await assert.rejects(call(['a', '']), { code: grpc.status.INVALID_ARGUMENT, details: /userIds\[1\]/ });
  await assert.rejects(call(['x'.repeat(600)]), { code: grpc.status.INVALID_ARGUMENT, details: /userIds\[0\]/ });
  assert.deepEqual(await call([]), []);
});

test('a token is needed, and its scope', async () => {
  assert.equal(await code(call(['a'], null)), grpc.status.UNAUTHENTICATED);
  assert.equal(await code(call(['a'], 'garbage')), grpc.status.UNAUTHENTICATED);
  assert.equal(await code(call(['a'], service.token('worker', { exp: 1 }))), grpc.status.UNAUTHENTICATED);
  assert.equal(await code(call(['a'], service.token('worker', { scope: 'openid' }))), grpc.status.PERMISSION_DENIED);
});
