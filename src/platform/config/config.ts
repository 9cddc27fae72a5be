// What the program knows of its configuration, once it is checked and complete. Deep frozen.
// Keys, defaults and descriptions are in fragments/; docs/reference/config.md is generated from them.
import type { Secret } from '../../kernel/secret.ts';
import type { BodiesConfig } from './bodies-config.ts';

export interface Config {
  /** Absolute path of the folder that holds all state. */
  readonly home: string;
  readonly production: boolean;
  /** Worker processes that own the IMAP and LMTP listeners, at least 1. */
  readonly workers: number;
  readonly organisation: { readonly name: string; readonly domain: string };
  /** `url` undefined: the embedded PostgreSQL of the home. */
  readonly database: { readonly url: Secret | undefined };
  readonly listeners: Readonly<Record<ListenerName, ListenerConfig>>;
  readonly tls: TlsConfig;
  readonly imap: { readonly allowCleartextLoopback: boolean };
  readonly limits: LimitsConfig;
  readonly keys: KeysConfig;
  readonly bodies: BodiesConfig;
  readonly keyService: KeyServiceConfig;
  readonly generations: GenerationsConfig;
  readonly backup: BackupConfig;
  readonly log: { readonly level: LogLevel };
}

export type ListenerName = 'imap' | 'imaps' | 'lmtp' | 'smtp' | 'console' | 'metrics';
export interface ListenerConfig {
  readonly enabled: boolean;
  readonly host: string;
  /** 0 picks a free port; the ready line says which. */
  readonly port: number;
}

export interface TlsConfig {
  /** Absolute PEM paths; undefined: self-signed, made at first start in the home. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface LimitsConfig {
  readonly messageBytes: number;
  readonly literalBytes: number;
  readonly lineBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly connectionsPerAccount: number;
  readonly loginSeconds: number;
  readonly idleMinutes: number;
  readonly recipientsPerMessage: number;
  readonly memoryCacheBytes: number;
}

export interface GenerationsConfig {
  /** 0: only by command. */
  readonly days: number;
  /** Days between the retirement of a generation and its destruction. */
  readonly graceDays: number;
  /** `needed` of at least `of` key custodians. */
  readonly officers: { readonly needed: number; readonly of: number };
}

export interface KeysConfig {
  readonly store: 'pkcs11' | 'keyfile';
  /** Who says so: a home that has been started before, else the configuration, else the set-up's ladder. */
  readonly chosenBy: 'home' | 'configuration' | 'set-up';
  readonly pkcs11: {
    /** Absolute path; undefined: the first module that the profile knows and that exists. */
    readonly module: string | undefined;
    /** A file of keys/profiles/ without its ending. */
    readonly profile: string;
    readonly tokenLabel: string;
    /** undefined: made at first start and kept in the home (software tokens only). */
    readonly pin: Secret | undefined;
  };
  readonly keyfile: { readonly passphrase: Secret | undefined };
}

export interface KeyServiceConfig {
  /** For nodes on other machines; undefined: none. Absolute PEM paths. */
  readonly listen:
    | {
        readonly host: string;
        readonly port: number;
        readonly certificate: string;
        readonly key: string;
        readonly clientCa: string;
        readonly clients: readonly string[];
      }
    | undefined;
  /** Another machine's, in place of an own one. Absolute PEM paths. */
  readonly remote:
    | {
        readonly host: string;
        readonly port: number;
        readonly name: string;
        readonly serverCa: string;
        readonly certificate: string;
        readonly key: string;
      }
    | undefined;
  /** Keys for one purpose. */
  readonly limits: {
    readonly sessionPerSecond: number;
    readonly sessionPerMinute: number;
    readonly clientPerSecond: number;
    readonly clientPerMinute: number;
  };
}

export interface BackupConfig {
  /** Absolute path; undefined: no backups. */
  readonly directory: string | undefined;
  /** How far behind the backup may be. */
  readonly shipSeconds: number;
  /** How far behind the backup of the key state may be. */
  readonly keyStateSeconds: number;
}

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];
