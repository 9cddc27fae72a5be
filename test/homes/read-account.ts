// Everything that an IMAP client can see of an account, as plain values that can be compared years later.
// One item a command: the order of items in an answer is the server's own choice.
import { RawImap, type RawLine } from '../e2e/raw-imap.ts';
import { sha256, type StoredAccount, type StoredFolder, type StoredMessage } from './manifest.ts';

const unchanging = ['INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODYSTRUCTURE'];
const counters = ['MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'HIGHESTMODSEQ'];
const lasting =
  /^\\(subscribed|nonexistent|noselect|all|archive|drafts|flagged|junk|sent|trash|important)$/i;

/** Reads without changing anything but the ledger, where the reading is an event. */
export async function readAccount(
  port: number,
  account: { readonly name: string; readonly password: string },
): Promise<StoredAccount> {
  const client = await RawImap.signedIn(port, account);
  try {
    await client.ok('ENABLE QRESYNC');
    const { untagged } = await client.ok('LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE)');
    const folders: StoredFolder[] = [];
    for (const line of untagged.map(({ text }) => text).sort()) {
      const [, attributes = '', name = ''] =
        /^\* LIST \(([^)]*)\) "\/" "?([^"]*)"?$/.exec(line) ?? [];
      const kept = attributes.split(' ').filter((attribute) => lasting.test(attribute));
      folders.push({ name, attributes: kept.sort(), ...(await readFolder(client, name)) });
    }
    await client.logout();
    return { name: account.name, password: account.password, folders };
  } finally {
    client.destroy();
  }
}

async function readFolder(
  client: RawImap,
  name: string,
): Promise<Pick<StoredFolder, 'status' | 'vanished' | 'messages'>> {
  const answer = await client.ok(`STATUS "${name}" (${counters.join(' ')})`);
  const text = answer.untagged.find((line) => line.text.startsWith('* STATUS '))?.text ?? '';
  const status = Object.fromEntries(
    counters.map((counter) => [counter, new RegExp(`\\b${counter} (\\d+)`).exec(text)?.[1] ?? '']),
  );
  await client.ok(`EXAMINE "${name}"`);
  const flags = await fetchItem(client, 'FLAGS');
  const modseqs = await fetchItem(client, 'MODSEQ');
  const bodies = await fetchItem(client, 'BODY.PEEK[]');
  const facts: Record<string, Map<number, RawLine>> = {};
  for (const item of unchanging) facts[item] = await fetchItem(client, item);
  const messages = [...bodies].map(([uid, { literals }]): StoredMessage => {
    const [bytes = Buffer.alloc(0)] = literals;
    const words = /FLAGS \(([^)]*)\)/.exec(flags.get(uid)?.text ?? '')?.[1] ?? '';
    return {
      uid,
      size: bytes.length,
      sha256: sha256(bytes),
      flags: words
        .split(' ')
        .filter((flag) => flag !== '' && flag !== '\\Recent')
        .sort(),
      modseq: /MODSEQ \((\d+)\)/.exec(modseqs.get(uid)?.text ?? '')?.[1] ?? '',
      facts: Object.fromEntries(
        Object.entries(facts).map(([item, answers]) => [item, answerOf(item, answers.get(uid))]),
      ),
    };
  });
  const gone = await client.ok('UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)');
  const earlier = gone.untagged.find((line) => line.text.startsWith('* VANISHED (EARLIER) '));
  return { status, vanished: earlier?.text.split(' ')[3] ?? '', messages };
}

async function fetchItem(client: RawImap, item: string): Promise<Map<number, RawLine>> {
  const { untagged } = await client.ok(`UID FETCH 1:* (${item})`);
  return new Map(
    untagged
      .filter((line) => /^\* \d+ FETCH /.test(line.text))
      .map((line) => [Number(/[( ]UID (\d+)/.exec(line.text)?.[1]), line]),
  );
}

/** What stands behind `item`, with its literals in their places. */
function answerOf(item: string, line: RawLine | undefined): string {
  if (line === undefined) return '';
  const literals = line.literals.map((bytes) => bytes.toString('latin1'));
  const [, inner = ''] = /^\* \d+ FETCH \((.*)\)$/s.exec(line.text) ?? [];
  return inner
    .replace(/^UID \d+ | UID \d+$/, '')
    .replace(`${item} `, '')
    .replace(/~?\{\d+\}/g, (mark) => `${mark}${literals.shift() ?? ''}`);
}
