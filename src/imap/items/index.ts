// The FETCH items that show content, what each needs, and its answer from the stored
// structure and header lines. FLAGS, UID, MODSEQ, INTERNALDATE and RFC822.SIZE are the session's.
import { envelopeFields } from '../../mime/content-fields.ts';
import { envelopeOf } from '../../mime/envelope.ts';
import { headerText } from '../../mime/header.ts';
import type { FetchItem } from '../wire/fetch-item.ts';
import type { ItemAnswer, ItemNeed, ItemSource } from './answer.ts';
import { answerBinary, answerBinarySize } from './binary-answer.ts';
import { writeBodyStructure } from './body-structure.ts';
import { writeEnvelope } from './envelope-response.ts';
import { answerSection, sectionNeed } from './section-answer.ts';

export { answerWhole } from './section-answer.ts';

export type { ItemAnswer, ItemNeed, ItemSource } from './answer.ts';

type Kind = FetchItem['kind'];
type ContentKind = Extract<
  Kind,
  'envelope' | 'bodystructure' | 'section' | 'binary' | 'binary.size'
>;
/** The items that `answerItem` answers. */
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
 * The answer to one content item. Needs no body where `itemNeed` says `metadata`; where it says `octets`,
 * `answerWhole` needs no metadata.
 * @throws ImapError NO [UNKNOWN-CTE] for BINARY of a part with an unknown encoding
 */
export function answerItem(item: ContentItem, source: ItemSource): ItemAnswer {
  switch (item.kind) {
    case 'envelope':
      return envelopeAnswer(source);
    case 'bodystructure':
      return structureAnswer(item.extensible, source);
    case 'section':
      return answerSection(item, source);
    case 'binary':
      return answerBinary(item, source);
    case 'binary.size':
      return answerBinarySize(item, source);
  }
}

const envelopeAnswer = ({ headerLines }: ItemSource): ItemAnswer => ({
  kind: 'inline',
  write: (enc) => {
    enc.raw('ENVELOPE ');
    writeEnvelope(enc, envelopeOf(envelopeFields(headerText(headerLines))));
  },
});

const structureAnswer = (extensible: boolean, { structure }: ItemSource): ItemAnswer => ({
  kind: 'inline',
  write: (enc) => {
    enc.raw(extensible ? 'BODYSTRUCTURE ' : 'BODY ');
    writeBodyStructure(enc, structure.root, extensible);
  },
});
