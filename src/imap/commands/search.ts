// SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 5182, RFC 5032).
import { command, type CommandCall, type Completion } from '../command.ts';
import { savedBy, type SearchResult, tellSearch } from '../search-response.ts';
import { runSearch } from '../search-run.ts';
import type { Session } from '../session.ts';
import { expectSearchArguments } from '../wire/decode-search.ts';
import type { SearchCommand } from '../wire/search-key.ts';

export const search = command({
  name: 'SEARCH',
  uid: true,
  states: ['selected'],
  capabilities: [{ name: 'ESEARCH' }, { name: 'SEARCHRES' }, { name: 'WITHIN' }],
  rfc: 'RFC 9051 §6.4.4',
  effects: { usesSequence: true },
  parse: (dec) => {
    dec.expectSp();
    return expectSearchArguments(dec);
  },
  run,
});

async function run(session: Session, args: SearchCommand, call: CommandCall): Promise<Completion> {
  if (args.usesModSeq) await session.enable('CONDSTORE');
  const saves = args.returns?.save === true;
  try {
    const found = await runSearch(session, args.key);
    const { returns, usesModSeq } = args;
    const result: SearchResult = { tag: call.tag, uid: call.uid, returns, usesModSeq, found };
    if (saves) session.saved = savedBy(result);
    await tellSearch(session, result);
  } catch (error) {
    // RFC 5182 §2.1: a search that fails leaves nothing saved.
    if (saves) session.saved = [];
    throw error;
  }
  return { text: 'Searched' };
}
