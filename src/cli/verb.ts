// One row of the command line: `postseal <noun> <verb>`. Help, the reference page and the parser are
// computed from the rows, so they cannot lie.
import type { ExitCode } from '../kernel/errors.ts';
import type { ApiClient } from './api-client.ts';
import type { Offline } from './offline.ts';
import type { Output } from './output.ts';
import type { Session } from './session.ts';

export interface VerbOption {
  readonly type: 'string' | 'boolean';
  readonly text: string;
  /** Shown as `--name VALUE`. */
  readonly value?: string;
  readonly required?: boolean;
  readonly many?: boolean;
}

export interface VerbArgument {
  /** Upper case, as in the usage line. */
  readonly name: string;
  readonly text: string;
  readonly optional?: boolean;
  readonly many?: boolean;
}

export interface CliCall {
  readonly args: readonly string[];
  option(name: string): string | undefined;
  options(name: string): readonly string[];
  flag(name: string): boolean;
  readonly out: Output;
  /** The running server, as the signed-in person. */
  readonly api: ApiClient;
  /** What works without a server. */
  readonly offline: Offline;
  readonly session: Pick<Session, 'person' | 'save' | 'forget'>;
  /**
   * From standard input with --password-stdin, else asked on the terminal, a new one twice, with the name of
   * whose it is. @throws PostsealError `usage` without both.
   */
  readPassword(kind: 'own' | 'new', of: string | undefined): Promise<string>;
}

export interface Verb {
  readonly noun: string;
  /** Empty for a noun that is a command of its own, such as `doctor`. */
  readonly verb: string;
  readonly summary: string;
  readonly arguments?: readonly VerbArgument[];
  readonly options?: Readonly<Record<string, VerbOption>>;
  run(call: CliCall): Promise<ExitCode>;
}

/** For verbs that call `readPassword`. */
export const passwordStdin = {
  'password-stdin': {
    type: 'boolean',
    text: 'read the password from standard input instead of asking on the terminal',
  },
} as const satisfies Readonly<Record<string, VerbOption>>;

/** `postseal account create NAME [--password-stdin]` */
export function usageOf(verb: Verb): string {
  const words = ['postseal', verb.noun, verb.verb].filter((word) => word !== '');
  for (const argument of verb.arguments ?? []) {
    const name = `${argument.name}${argument.many === true ? '…' : ''}`;
    words.push(argument.optional === true ? `[${name}]` : name);
  }
  for (const [name, option] of Object.entries(verb.options ?? {})) {
    const text = option.type === 'boolean' ? `--${name}` : `--${name} ${option.value ?? 'VALUE'}`;
    words.push(option.required === true ? text : `[${text}]`);
  }
  return words.join(' ');
}
