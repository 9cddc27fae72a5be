// A search by somebody who has not searched before: sign-in, SELECT and one SEARCH BODY, nothing of it kept
// from an earlier one. Beside "SEARCH BODY word", which asks for one word after the other in a session.
import { LoadClient } from '../imap-client.ts';
import type { Workload } from '../workload.ts';
import { inboxMessages } from './mailbox-commands.ts';

const words = ['patch', 'kernel', 'meeting', 'nonesuch'];

export const firstSearch: Workload = {
  name: 'first SEARCH BODY of a session, 200 messages',
  unit: 'searches/s',
  open({ target }, index) {
    const user = target.users[index % target.users.length]!;
    let step = index * 13;
    return Promise.resolve({
      async step() {
        step += 1;
        const client = await LoadClient.connect(target.imap);
        await client.login(user.name, user.password);
        await client.command('SELECT INBOX');
        const word = words[step % words.length]!;
        const reply = await client.command(`SEARCH 1:${inboxMessages} BODY "${word}"`);
        const answered = reply.untagged.some((line) => line.startsWith('* SEARCH'));
        if (reply.status !== 'OK' || !answered) throw new Error(`first search: ${reply.line}`);
        await client.logout();
      },
      close: () => Promise.resolve(),
    });
  },
};
