// The program of the cluster in hints.test.ts: the primary forks two workers; the first worker and the
// primary publish, and every process writes what it hears. Ends when both workers have heard both.
import cluster from 'node:cluster';
import type { MailboxId, ModSeq } from '../../../src/kernel/ids.ts';
import { connectClusterHints } from '../../../src/platform/hints/cluster-hints.ts';
import { createHintBus } from '../../../src/platform/hints/hint-bus.ts';

interface Note {
  readonly ready?: true;
  readonly done?: true;
  readonly go?: true;
}

const bus = createHintBus();
connectClusterHints(bus);
const name = cluster.isPrimary ? 'primary' : `worker${process.env['NUMBER'] ?? ''}`;
const publish = (mailbox: string, modseq: number) => {
  bus.publish({ mailbox: mailbox as MailboxId, modseq: modseq as ModSeq });
};

let heard = 0;
for (const box of ['from-worker1', 'from-primary'] as MailboxId[]) {
  bus.subscribe(box, ({ mailbox, modseq }) => {
    heard += 1;
    process.stdout.write(`${name} ${mailbox} ${modseq}\n`);
    if (!cluster.isPrimary && heard === 2) process.send!({ done: true } satisfies Note);
  });
}

if (cluster.isPrimary) {
  const workers = ['1', '2'].map((NUMBER) => cluster.fork({ NUMBER }));
  let ready = 0;
  let done = 0;
  cluster.on('message', (_, note: Note) => {
    if (note.ready === true && (ready += 1) === workers.length) {
      workers[0]!.send({ go: true } satisfies Note);
      publish('from-primary', 3);
      publish('from-primary', 5);
    }
    if (note.done === true && (done += 1) === workers.length) {
      cluster.disconnect(() => process.exit(0));
    }
  });
} else {
  process.on('message', (note: Note) => {
    if (note.go === true) publish('from-worker1', 7);
  });
  process.send!({ ready: true } satisfies Note);
}
