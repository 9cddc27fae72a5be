// Jest's globalTeardown: stops the run's PostgreSQL and removes its home.
import type { Broker } from './broker.ts';

const running = globalThis as typeof globalThis & { postsealTestBroker?: Broker };

export default async function tearDown(): Promise<void> {
  await running.postsealTestBroker?.close();
}
