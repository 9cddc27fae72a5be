// A day's mix on one connection: list, select, look, read, flag, search by header, append, expunge.
import { LoadClient } from '../imap-client.ts';
import { unique } from '../messages.ts';
import type { Workload } from '../workload.ts';

const steps = 12;

export const mix: Workload = {
  name: 'default mix',
  unit: 'commands/s',
  perStep: steps,
  async open({ target, messages }, index) {
    const user = target.users[index % target.users.length]!;
    const client = await LoadClient.connect(target.imap);
    await client.login(user.name, user.password);
    await client.command('CREATE Mix');
    let at = index * 17;
    const ok = async (line: string): Promise<void> => {
      const reply = await client.command(line);
      if (reply.status !== 'OK') throw new Error(`${line}: ${reply.line}`);
    };
    return {
      async step() {
        at += 1;
        const n = (at % 200) + 1;
        await ok('LIST "" "*"');
        await ok('STATUS INBOX (MESSAGES UNSEEN UIDNEXT)');
        await ok('SELECT INBOX');
        await ok('FETCH 1:50 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)');
        await ok(`FETCH ${n} BODY.PEEK[]`);
        await ok(`STORE ${n} +FLAGS (\\Seen)`);
        await ok(`FETCH ${n} BODYSTRUCTURE`);
        await ok('SEARCH UNSEEN');
        await ok('SELECT Mix');
        const reply = await client.append('Mix', unique(messages[at % messages.length]!));
        if (reply.status !== 'OK') throw new Error(reply.line);
        await ok('STORE 1:* +FLAGS (\\Deleted)');
        await ok('EXPUNGE');
      },
      close: () => client.logout(),
    };
  },
};
