// IDLE (RFC 9051 §6.3.13, RFC 2177): news as they happen, until the client says anything. A line that is
// not DONE ends it too and is then run, because iOS pipelines its next command right behind.
import { command, noArguments, signedInStates } from '../command.ts';
import { ConnectionClosed } from '../output.ts';
import type { Session } from '../session.ts';
import { latin1 } from '../wire/decoder.ts';

export const idle = command({
  name: 'IDLE',
  states: signedInStates,
  capabilities: [{ name: 'IDLE' }],
  rfc: 'RFC 9051 §6.3.13',
  parse: noArguments,
  run: async (session) => {
    await session.out.line('+ Idling');
    const line = await untilLine(session);
    if (line === null) throw new ConnectionClosed('the client left within IDLE');
    if (latin1(line).trim().toUpperCase() !== 'DONE') session.door.unreadLine(line);
    return { text: 'No longer idle' };
  },
});

/** Tells news at each hint and a sign of life in between; the line that ends it, null at the end. */
async function untilLine(session: Session): Promise<Uint8Array | null> {
  const bell = new Bell();
  const line = session.door.readLine().finally(() => {
    bell.ring('line');
  });
  // The line is awaited below; until then its failure must not count as unhandled.
  line.catch(() => undefined);
  const stopHints = session.mailboxIfAny?.view.onHint(() => {
    bell.ring('news');
  });
  const keepAlive = setInterval(() => {
    bell.ring('keep-alive');
  }, session.deps.settings.keepAliveMs);
  try {
    await tellNews(session);
    for (;;) {
      const rung = await bell.next();
      if (rung.has('line')) return await line;
      if (rung.has('news')) await tellNews(session);
      else await session.out.line('* OK Still here');
    }
  } finally {
    clearInterval(keepAlive);
    stopHints?.();
  }
}

async function tellNews(session: Session): Promise<void> {
  await session.mailboxIfAny?.tellChanges(session, { expunges: true, force: false });
  await session.out.flush();
}

type Ring = 'line' | 'news' | 'keep-alive';

/** Remembers what rang until somebody asks. */
class Bell {
  #rung = new Set<Ring>();
  #wake: () => void = () => undefined;

  ring(what: Ring): void {
    this.#rung.add(what);
    this.#wake();
  }

  async next(): Promise<ReadonlySet<Ring>> {
    if (this.#rung.size === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const rung = this.#rung;
    this.#rung = new Set();
    return rung;
  }
}
