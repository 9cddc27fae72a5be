// Relays hints between the worker processes of one node by the IPC of node:cluster. The primary passes
// what one worker sends on to all others. Nothing is acknowledged: a lost hint costs a wake-up only.
import cluster, { type Worker } from 'node:cluster';
import type { MailboxId, ModSeq } from '../../kernel/ids.ts';
import type { Hint, HintBus } from './hint-bus.ts';

/** `[mailbox, modseq]`, flat, to keep messages small. */
interface HintMessage {
  readonly postsealHints: readonly (readonly [string, number])[];
}

/**
 * Connects the bus of this process, primary or worker, to those of the others. Answers the end of the
 * connection. In a process that is neither (a test, a tool) it does nothing.
 */
export function connectClusterHints(bus: HintBus): () => void {
  if (cluster.isWorker) return connectWorker(bus);
  return connectPrimary(bus);
}

function connectPrimary(bus: HintBus): () => void {
  const sendToAll = (message: HintMessage, except: Worker | undefined): void => {
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (worker !== undefined && worker !== except && worker.isConnected()) {
        worker.send(message, ignoreClosedChannel);
      }
    }
  };
  const onMessage = (worker: Worker, message: unknown): void => {
    if (!isHintMessage(message)) return;
    bus.receive(hintsOf(message));
    sendToAll(message, worker);
  };
  cluster.on('message', onMessage);
  const end = bus.connect((hints) => {
    sendToAll(messageOf(hints), undefined);
  });
  return () => {
    end();
    cluster.off('message', onMessage);
  };
}

function connectWorker(bus: HintBus): () => void {
  const onMessage = (message: unknown): void => {
    if (isHintMessage(message)) bus.receive(hintsOf(message));
  };
  process.on('message', onMessage);
  const end = bus.connect((hints) => {
    if (process.connected) process.send?.(messageOf(hints), undefined, {}, ignoreClosedChannel);
  });
  return () => {
    end();
    process.off('message', onMessage);
  };
}

/** The other side is going away; whoever restarts it reads the truth from PostgreSQL. */
function ignoreClosedChannel(): void {
  // See above: there is nobody left to wake.
}

function messageOf(hints: readonly Hint[]): HintMessage {
  return { postsealHints: hints.map(({ mailbox, modseq }) => [mailbox, modseq]) };
}

function hintsOf(message: HintMessage): Hint[] {
  return message.postsealHints.map(([mailbox, modseq]) => ({
    mailbox: mailbox as MailboxId,
    modseq: modseq as ModSeq,
  }));
}

function isHintMessage(message: unknown): message is HintMessage {
  return typeof message === 'object' && message !== null && 'postsealHints' in message;
}
