// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8). A trailing separator, which
// says that names below will follow, is taken off: every mailbox may have some.
import { command, signedInStates } from '../command.ts';
import type { SpecialUse } from '../../mailbox/types.ts';
import { expectMailbox } from '../wire/decode-mailbox.ts';
import type { Decoder } from '../wire/decoder.ts';

const uses: ReadonlyMap<string, SpecialUse> = new Map(
  (['\\All', '\\Archive', '\\Drafts', '\\Flagged', '\\Junk', '\\Sent', '\\Trash'] as const).map(
    (use) => [use.toLowerCase(), use],
  ),
);

function expectName(dec: Decoder): string {
  dec.expectSp();
  return expectMailbox(dec).replace(/\/$/, '');
}

/** `(USE (\Drafts))` of RFC 6154 §3; one use a mailbox. */
function specialUse(dec: Decoder): SpecialUse | undefined {
  if (!dec.sp()) return undefined;
  let use: SpecialUse | undefined;
  dec.expectList(() => {
    if (!dec.keyword('USE')) throw dec.fail('unknown create parameter');
    dec.expectSp();
    dec.expectList(() => {
      dec.expectSpecial('\\');
      const found = uses.get(`\\${dec.expectAtom('expected a use').toLowerCase()}`);
      if (found === undefined || use !== undefined) throw dec.fail('unknown use');
      use = found;
    });
  });
  return use;
}

export const create = command({
  name: 'CREATE',
  states: signedInStates,
  capabilities: [{ name: 'CREATE-SPECIAL-USE', when: (s) => s.state !== 'not-authenticated' }],
  rfc: 'RFC 9051 §6.3.4, RFC 6154 §3',
  parse: (dec) => ({ name: expectName(dec), use: specialUse(dec) }),
  run: async (session, { name, use }) => {
    await session.account.create(name, session.signedIn.actor, use);
    return { text: 'Created' };
  },
});

export const remove = command({
  name: 'DELETE',
  states: signedInStates,
  rfc: 'RFC 9051 §6.3.5',
  parse: expectName,
  run: async (session, name) => {
    const selected = session.mailboxIfAny;
    const folder = selected === null ? undefined : await session.account.find(name);
    await session.account.remove(name, session.signedIn.actor);
    // Who deletes the selected mailbox stands in none; others are told BYE by their own views.
    if (selected !== null && folder?.id === selected.id && session.unselect()) {
      session.out.enc.raw('* OK [CLOSED] The mailbox was deleted\r\n');
    }
    return { text: 'Deleted' };
  },
});

export const rename = command({
  name: 'RENAME',
  states: signedInStates,
  rfc: 'RFC 9051 §6.3.6',
  parse: (dec) => ({ from: expectName(dec), to: expectName(dec) }),
  run: async (session, { from, to }) => {
    await session.account.rename(from, to, session.signedIn.actor);
    return { text: 'Renamed' };
  },
});

export const subscribe = command({
  name: 'SUBSCRIBE',
  states: signedInStates,
  rfc: 'RFC 9051 §6.3.7',
  parse: expectName,
  run: async (session, name) => {
    await session.account.subscribe(name, true, session.signedIn.actor);
    return { text: 'Subscribed' };
  },
});

export const unsubscribe = command({
  name: 'UNSUBSCRIBE',
  states: signedInStates,
  rfc: 'RFC 9051 §6.3.8',
  parse: expectName,
  run: async (session, name) => {
    await session.account.subscribe(name, false, session.signedIn.actor);
    return { text: 'Unsubscribed' };
  },
});
