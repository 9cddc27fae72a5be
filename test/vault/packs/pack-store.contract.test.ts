// The contract of body stores on disk. "Away" is a full disk, by the PackFiles port.
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packPath } from '../../../src/vault/packs/pack-path.ts';
import { createPackStore } from '../../../src/vault/packs/pack-store.ts';
import { bodyStoreContract } from '../../contract/body-store.contract.ts';
import { FaultyFiles } from './faulty-files.ts';

let root = '';
let faulty = new FaultyFiles();

bodyStoreContract({
  begin: () => {
    root = mkdtempSync(join(tmpdir(), 'postseal-packs-'));
    faulty = new FaultyFiles();
    return Promise.resolve();
  },
  open: () =>
    createPackStore({
      root,
      random: (length) => randomBytes(length),
      files: faulty.files,
      reserveBytes: 1_000_000,
    }),
  stored: () =>
    Promise.resolve(
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.pack'))
        .map((name) => name.slice(3, -'.pack'.length)),
    ),
  tamper: (pack, change) => {
    const path = packPath(root, pack);
    const bytes = change(readFileSync(path));
    chmodSync(path, 0o600);
    if (bytes === undefined) unlinkSync(path);
    else writeFileSync(path, bytes);
    return Promise.resolve();
  },
  away: () => {
    faulty.failWrite = 'ENOSPC';
    faulty.free = 0;
    return Promise.resolve();
  },
  back: () => {
    faulty.failWrite = undefined;
    faulty.free = undefined;
    return Promise.resolve();
  },
  awayCode: 'home.disk-full',
  locks: false,
  end: () => {
    rmSync(root, { recursive: true, force: true });
    return Promise.resolve();
  },
});
