// Folder names and keywords at rest: a cell (docs/formats/cell.md) under the custodian's names key,
// and a tag, HMAC-SHA256 under a key made from it, by which equal names are found without opening any.
import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { openCell, sealCell } from '../../vault/formats/cell.ts';
import { xchachaNonceBytes } from '../../vault/xchacha.ts';
import type { CustodianId } from '../../kernel/ids.ts';
import { keywordIdentity } from './keyword-name.ts';

export interface SealedName {
  /** 32 bytes. */
  readonly tag: Buffer;
  readonly cell: Buffer;
}

const tagLabel = 'postseal/name-tag/1';

/** Holds the names key of one custodian until `destroy`. `scope` is the account or mailbox id. */
export class NameSealer {
  readonly #custodian: CustodianId;
  readonly #key: Buffer;
  readonly #tagKey: Buffer;

  /** Takes the key over: `destroy` zeroes it. */
  constructor(custodian: CustodianId, key: Buffer) {
    this.#custodian = custodian;
    this.#key = key;
    this.#tagKey = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), tagLabel, 32));
  }

  /** A folder name belongs to its account. */
  folder(account: string, name: string): SealedName {
    return { tag: this.folderTag(account, name), cell: this.#seal(account, name) };
  }

  folderTag(account: string, name: string): Buffer {
    return this.#tag('folder', account, name);
  }

  /** A keyword belongs to its mailbox. */
  keyword(mailbox: string, name: string): SealedName {
    return { tag: this.keywordTag(mailbox, name), cell: this.#seal(mailbox, name) };
  }

  keywordTag(mailbox: string, name: string): Buffer {
    return this.#tag('keyword', mailbox, keywordIdentity(name));
  }

  /** @throws IntegrityError when the cell is not of this scope or was changed. */
  open(scope: string, cell: Uint8Array): string {
    const context = { purpose: 'names', custodianId: this.#custodian, objectId: scope } as const;
    return Buffer.from(openCell(this.#key, context, cell)).toString('utf8');
  }

  destroy(): void {
    this.#key.fill(0);
    this.#tagKey.fill(0);
  }

  #tag(kind: string, scope: string, name: string): Buffer {
    return createHmac('sha256', this.#tagKey).update(`${kind}\0${scope}\0${name}`).digest();
  }

  #seal(scope: string, name: string): Buffer {
    const context = { purpose: 'names', custodianId: this.#custodian, objectId: scope } as const;
    const nonce = randomBytes(xchachaNonceBytes);
    return Buffer.from(sealCell(this.#key, context, nonce, Buffer.from(name, 'utf8')));
  }
}
