// A client that does not read stops the writer, costs a bounded buffer, and is cut off in time.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ConnectionClosed, Output } from '../../src/imap/output.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Both ends of a real connection; the client reads nothing until it is resumed. */
async function pair(): Promise<{ here: Socket; there: Socket }> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const there = connect((server.address() as { port: number }).port, '127.0.0.1');
  there.on('error', () => undefined).pause();
  const here = await accepted;
  here.on('error', () => undefined);
  return { here, there };
}

const piece = Buffer.alloc(65_536, 'x');

/** Writes until the socket takes no more. */
async function fill(out: Output): Promise<{ bytes: number; last: Promise<void> }> {
  for (;;) {
    out.enc.bytes(piece);
    const last = out.flush();
    last.catch(() => undefined);
    const waits = await Promise.race([last.then(() => false), delay(200).then(() => true)]);
    if (waits) return { bytes: out.bytes, last };
  }
}

describe('Output', () => {
  test('waits for a client that does not read, and goes on when it does', async () => {
    const { here, there } = await pair();
    const out = new Output(here, 60_000);
    const { last } = await fill(out);
    // What waits in this process is the bound and one piece; the rest is the kernel's.
    expect(here.writableLength).toBeLessThanOrEqual(262_144 + 2 * piece.length);
    there.resume();
    await last;
    there.destroy();
  });

  test('cuts a client off that takes nothing for too long', async () => {
    const { here } = await pair();
    const out = new Output(here, 300);
    const { last } = await fill(out);
    await expect(last).rejects.toBeInstanceOf(ConnectionClosed);
    await expect(out.line('more')).rejects.toBeInstanceOf(ConnectionClosed);
  });
});
