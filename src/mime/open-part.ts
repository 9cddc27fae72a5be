// A part while its end is not known yet; `freeze` makes the immutable tree.
import { contentFields, envelopeFields, type ContentFields } from './content-fields.ts';
import type { MimePart } from './part.ts';

const noChildren: readonly MimePart[] = [];

export class OpenPart {
  readonly headerStart: number;
  /** True for the message itself and for the message inside a message/rfc822 part. */
  readonly isRoot: boolean;
  readonly inDigest: boolean;
  /** -1 while the header goes on. */
  bodyStart = -1;
  bodyEnd = -1;
  /** Line ends before the body, counted from the start of the message. */
  linesBefore = 0;
  lines = 0;
  header = '';
  content: ContentFields;
  opaque = false;
  readonly children: OpenPart[] = [];
  embedded: OpenPart | null = null;

  constructor(headerStart: number, isRoot: boolean, inDigest: boolean) {
    this.headerStart = headerStart;
    this.isRoot = isRoot;
    this.inDigest = inDigest;
    this.content = emptyContent;
  }

  /** Recursion is bounded by the depth limit. */
  freeze(headers: Map<MimePart, string>): MimePart {
    const { embedded } = this;
    const part: MimePart = {
      headerStart: this.headerStart,
      bodyStart: this.bodyStart,
      bodyEnd: this.bodyEnd,
      lines: this.lines,
      ...this.content,
      children:
        this.children.length === 0
          ? noChildren
          : this.children.map((child) => child.freeze(headers)),
      message:
        embedded === null
          ? null
          : { envelope: envelopeFields(embedded.header), root: embedded.freeze(headers) },
      opaque: this.opaque,
    };
    headers.set(part, this.header);
    return part;
  }
}

const emptyContent: ContentFields = contentFields('', false);
