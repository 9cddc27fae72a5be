// BODY and BODYSTRUCTURE (RFC 9051 §7.5.2, grammar `body` in §9), one character an octet. Clients break on
// what the grammar does not have: an empty multipart is told as one empty text part, the encoding is never
// NIL, and a container that was kept closed is told as a file, since MESSAGE/RFC822 must show its inside.
import { envelopeOf } from '../../mime/envelope.ts';
import type { MimePart, Parameters } from '../../mime/part.ts';
import { nstringText, stringText } from '../wire/octet-text.ts';
import { envelopeText } from './envelope-response.ts';

/** The structure of a message; `extensible` adds the extension data of BODYSTRUCTURE. */
export function bodyStructureText(part: MimePart, extensible: boolean): string {
  const isMultipart = part.type === 'multipart' && !part.opaque;
  return `(${isMultipart ? multipartText(part, extensible) : singleText(part, extensible)})`;
}

function multipartText(part: MimePart, extensible: boolean): string {
  const inside =
    part.children.length === 0
      ? emptyText(extensible)
      : part.children.map((child) => bodyStructureText(child, extensible)).join('');
  const text = `${inside} ${stringText(part.subtype)}`;
  return extensible ? `${text} ${parametersText(part.params)}${extensionText(part)}` : text;
}

const emptyText = (extensible: boolean): string =>
  `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0${extensible ? ' NIL NIL NIL NIL' : ''})`;

function singleText(part: MimePart, extensible: boolean): string {
  const { type, subtype, params } = part.opaque ? asFile(part) : part;
  const fields = [
    stringText(type),
    stringText(subtype),
    parametersText(params),
    nstringText(part.id),
    nstringText(part.description),
    stringText(part.encoding),
    part.bodyEnd - part.bodyStart,
  ];
  if (part.message !== null) {
    const { envelope, root } = part.message;
    fields.push(envelopeText(envelopeOf(envelope)), bodyStructureText(root, extensible));
  }
  if (part.message !== null || type === 'text') fields.push(part.lines);
  const text = fields.join(' ');
  return extensible ? `${text} ${nstringText(part.md5)}${extensionText(part)}` : text;
}

function asFile(part: MimePart): Pick<MimePart, 'type' | 'subtype' | 'params'> {
  const params = part.params.filter(([name]) => name === 'name' || name === 'name*');
  return { type: 'application', subtype: 'octet-stream', params };
}

/** `body-fld-dsp SP body-fld-lang SP body-fld-loc`, each after a space. */
function extensionText({ disposition, language, location }: MimePart): string {
  const how =
    disposition === null
      ? 'NIL'
      : `(${stringText(disposition.type)} ${parametersText(disposition.params)})`;
  // A list even of one: what the most used servers send is what clients are tried with.
  const languages = language.length === 0 ? 'NIL' : `(${language.map(stringText).join(' ')})`;
  return ` ${how} ${languages} ${nstringText(location)}`;
}

function parametersText(params: Parameters): string {
  if (params.length === 0) return 'NIL';
  return `(${params.map(([name, value]) => `${stringText(name)} ${stringText(value)}`).join(' ')})`;
}
