// LMTP delivery to one recipient, one message after the other on a kept connection.
import { LmtpClient } from '../lmtp-client.ts';
import { unique } from '../messages.ts';
import type { Workload } from '../workload.ts';

export const lmtpDelivery: Workload = {
  name: 'LMTP delivery',
  unit: 'messages/s',
  async open({ target, messages }, index) {
    const user = target.users[index % target.users.length]!;
    const client = await LmtpClient.connect(target.lmtp.host, target.lmtp.port);
    let at = index * 11;
    return {
      async step() {
        at += 1;
        const message = unique(messages[at % messages.length]!);
        await client.deliver('bench@example.com', user.name, message);
      },
      close: () => client.quit(),
    };
  },
};
