// ENABLE (RFC 9051 §6.3.1, RFC 5161): switches on what changes the answers of other commands.
import { command, signedInStates } from '../command.ts';
import type { Enabled } from '../session.ts';

const known: ReadonlyMap<string, Enabled> = new Map<string, Enabled>([
  ['CONDSTORE', 'CONDSTORE'],
  ['IMAP4REV2', 'IMAP4rev2'],
  ['QRESYNC', 'QRESYNC'],
]);

export const enable = command({
  name: 'ENABLE',
  states: signedInStates,
  capabilities: [{ name: 'ENABLE' }],
  rfc: 'RFC 9051 §6.3.1',
  parse: (dec) => {
    const names: string[] = [];
    do {
      dec.expectSp();
      names.push(dec.expectKeyword('expected a capability'));
    } while (!dec.atEnd());
    return names;
  },
  run: async (session, names) => {
    const wanted = names.map((name) => known.get(name)).filter((name) => name !== undefined);
    const fresh = [...new Set(wanted)].filter((name) => !session.enabled(name));
    for (const name of fresh) await session.enable(name);
    // An empty list is still told: clients wait for it.
    session.out.enc.raw(`* ENABLED${fresh.map((name) => ` ${name}`).join('')}\r\n`);
    return { text: 'Enabled' };
  },
});
