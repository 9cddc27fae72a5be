// Every migration in the order of its number. Numbered files, plain SQL, never changed once landed.
import type { MigrationInterface } from 'typeorm';
import { Ledger1763942400001 } from './0001-ledger.ts';
import { Vault1763942400002 } from './0002-vault.ts';
import { Archive1763942400003 } from './0003-archive.ts';
import { Mailbox1763942400004 } from './0004-mailbox.ts';
import { Access } from './0005-access.ts';
import { Intake } from './0006-intake.ts';
import { Platform1763942400007 } from './0007-platform.ts';
import { MetadataSlot1763942400008 } from './0008-metadata-slot.ts';
import { NamedObjects1763942400009 } from './0009-named-objects.ts';
import { KeyGenerations1763942400010 } from './0010-key-generations.ts';
import { ApprovalDecisions1763942400011 } from './0011-approval-decisions.ts';
import { KeyHandouts1763942400012 } from './0012-key-handouts.ts';
import { HomeRestore1763942400013 } from './0013-home-restore.ts';
import { SharedParts1763942400014 } from './0014-shared-parts.ts';

export const migrations: readonly (new () => MigrationInterface)[] = [
  Ledger1763942400001,
  Vault1763942400002,
  Archive1763942400003,
  Mailbox1763942400004,
  Access,
  Intake,
  Platform1763942400007,
  MetadataSlot1763942400008,
  NamedObjects1763942400009,
  KeyGenerations1763942400010,
  ApprovalDecisions1763942400011,
  KeyHandouts1763942400012,
  HomeRestore1763942400013,
  SharedParts1763942400014,
];
