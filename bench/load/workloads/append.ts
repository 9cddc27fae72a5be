// APPEND of one real message to a mailbox of its own, one after the other.
import { LoadClient } from '../imap-client.ts';
import { unique } from '../messages.ts';
import type { Workload } from '../workload.ts';

export const append: Workload = {
  name: 'APPEND',
  unit: 'messages/s',
  async open({ target, messages }, index) {
    const user = target.users[index % target.users.length]!;
    const client = await LoadClient.connect(target.imap);
    await client.login(user.name, user.password);
    let at = index * 7;
    return {
      async step() {
        at += 1;
        const reply = await client.append('Drafts', unique(messages[at % messages.length]!));
        if (reply.status !== 'OK') throw new Error(reply.line);
      },
      close: () => client.logout(),
    };
  },
};
