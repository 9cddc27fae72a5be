// Jest's globalSetup: opens the door to the run's shared PostgreSQL (started on first use only).
import { startBroker } from './broker.ts';
import type { Broker } from './broker.ts';

const running = globalThis as typeof globalThis & { postsealTestBroker?: Broker };

export default async function setUp(): Promise<void> {
  const broker = await startBroker();
  running.postsealTestBroker = broker;
  process.env['POSTSEAL_TEST_BROKER'] = broker.socket;
}
