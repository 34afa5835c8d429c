// The gRPC contract, as the stock client for Node reads it.
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { root } from './service.js';

const proto = join(root, 'crates/presence-api/proto/presence.proto');
export const { PresenceAPI } = grpc.loadPackageDefinition(protoLoader.loadSync(proto, { keepCase: true, defaults: true })).presenceapi;
