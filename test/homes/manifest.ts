// What a stored home says about itself (manifest.json): how to put it up again, and what must be in it.
// Files of an old home are never changed, so every field here stays readable for ever; new ones are optional.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A message as IMAP shows it. RFC 9051 §2.3.1.1: none of this but flags and modseq ever changes. */
export interface StoredMessage {
  readonly uid: number;
  readonly size: number;
  readonly sha256: string;
  /** Flags and keywords in order, without `\Recent`. */
  readonly flags: readonly string[];
  readonly modseq: string;
  /** The server's words for INTERNALDATE, RFC822.SIZE, ENVELOPE and BODYSTRUCTURE, octets as Latin-1. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface StoredFolder {
  /** As on the wire, in modified UTF-7. */
  readonly name: string;
  /** `\Subscribed` and special uses. */
  readonly attributes: readonly string[];
  readonly status: Readonly<Record<string, string>>;
  /** UIDs that QRESYNC names as gone, as the server says them. */
  readonly vanished: string;
  readonly messages: readonly StoredMessage[];
}

export interface StoredAccount {
  readonly name: string;
  readonly password: string;
  readonly folders: readonly StoredFolder[];
}

export interface StoredTable {
  /** In schema `public`. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
}

export interface StoredLedger {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

export interface Beginning {
  readonly of: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: 'postseal/test-home/1';
  readonly about: string;
  /** Product version that wrote the home. */
  readonly version: string;
  readonly made: string;
  /** Passphrase of keys/*.sealed: a test secret, written down here on purpose. */
  readonly testPassphrase: string;
  /** Configuration of the home; the test adds free ports. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the migrations that were applied, in order. */
  readonly migrations: readonly string[];
  readonly tables: readonly StoredTable[];
  readonly sequences: readonly { readonly name: string; readonly value: string }[];
  /** SHA-256 of every other file of the folder, by its path with forward slashes. */
  readonly files: Readonly<Record<string, string>>;
  /** Partial tiles of the home that are beginnings of a file that is stored (docs/formats/ledger.md). */
  readonly beginnings: Readonly<Record<string, Beginning>>;
  readonly ledger: StoredLedger;
  /** Digests of what was handed in, by the name that make.ts gives it. */
  readonly handedIn: Readonly<Record<string, string>>;
  readonly persons: readonly { readonly name: string; readonly password: string }[];
  readonly accounts: readonly StoredAccount[];
}

export const homesFolder = import.meta.dirname;

/** Names of the stored homes, oldest first. */
export function storedHomes(): string[] {
  return readdirSync(homesFolder)
    .filter((name) => /^\d{4}$/.test(name))
    .sort();
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Every file below `folder` by its path with forward slashes. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
}
