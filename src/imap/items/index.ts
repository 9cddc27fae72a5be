// The FETCH items that show content, what each needs, and its answer from the stored
// structure and header lines. FLAGS, UID, MODSEQ, INTERNALDATE and RFC822.SIZE are the session's.
import { envelopeFields } from '../../mime/content-fields.ts';
import { envelopeOf } from '../../mime/envelope.ts';
import type { FetchItem } from '../wire/fetch-item.ts';
import type { Answerer, ItemNeed } from './answer.ts';
import { binaryAnswerer, binarySizeAnswerer } from './binary-answer.ts';
import { bodyStructureText } from './body-structure.ts';
import { envelopeText } from './envelope-response.ts';
import { sectionAnswerer, sectionNeed } from './section-answer.ts';

export { wholeAnswerer } from './section-answer.ts';

export type { Answerer, ItemAnswer, ItemNeed, ItemSource } from './answer.ts';

type Kind = FetchItem['kind'];
type ContentKind = Extract<
  Kind,
  'envelope' | 'bodystructure' | 'section' | 'binary' | 'binary.size'
>;
/** The items that `answererOf` answers. */
export type ContentItem = Extract<FetchItem, { kind: ContentKind }>;

const needs: Readonly<Record<Exclude<Kind, 'section'>, ItemNeed>> = {
  flags: 'none',
  uid: 'none',
  modseq: 'none',
  internaldate: 'none',
  'rfc822.size': 'none',
  envelope: 'metadata',
  bodystructure: 'metadata',
  binary: 'body',
  'binary.size': 'body',
};

/** The deepest data that the item may need. */
export const itemNeed = (item: FetchItem): ItemNeed =>
  item.kind === 'section' ? sectionNeed(item) : needs[item.kind];

/**
 * The answerer of one content item, made once for all messages of a command. It needs no body where
 * `itemNeed` says `metadata`, and answers with text then; where it says `octets`, `wholeAnswerer` needs no
 * metadata. For BINARY of a part with an unknown encoding it throws ImapError NO [UNKNOWN-CTE].
 */
export function answererOf(item: ContentItem): Answerer {
  switch (item.kind) {
    case 'envelope':
      return envelope;
    case 'bodystructure':
      return item.extensible ? bodyStructure : body;
    case 'section':
      return sectionAnswerer(item);
    case 'binary':
      return binaryAnswerer(item);
    case 'binary.size':
      return binarySizeAnswerer(item);
  }
}

const envelope: Answerer = ({ headerLines }) => ({
  kind: 'text',
  text: `ENVELOPE ${envelopeText(envelopeOf(envelopeFields(headerLines)))}`,
});

const bodyStructure: Answerer = ({ structure }) => ({
  kind: 'text',
  text: `BODYSTRUCTURE ${bodyStructureText(structure.root, true)}`,
});

const body: Answerer = ({ structure }) => ({
  kind: 'text',
  text: `BODY ${bodyStructureText(structure.root, false)}`,
});
