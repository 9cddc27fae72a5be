// What was started, to be stopped in the reverse order. Every step has its time: one that never ends, such as
// a call into a broken device, must not keep a person waiting who has pressed Ctrl-C.
import { PostsealError } from '../kernel/errors.ts';

/** A step ends what hangs below it after at most fifteen seconds; this is for what it cannot end. */
const stepMsDefault = 20_000;

interface Step {
  readonly name: string;
  readonly stop: () => Promise<void> | void;
  readonly msMax: number;
}

export class Started {
  readonly #steps: Step[] = [];
  readonly #say: (text: string) => void;

  /** `say` tells a person why the end takes so long. */
  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** `msMax`: after this time, in milliseconds, the end goes on without this step. */
  add(name: string, stop: Step['stop'], msMax = stepMsDefault): void {
    this.#steps.push({ name, stop, msMax });
  }

  /**
   * Goes on after a step that fails or takes too long, and throws the first failure at the end.
   * @throws PostsealError `server.stop-late` for a step that did not end in its time.
   */
  async stop(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await this.#stopOne(step);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #stopOne({ name, stop, msMax }: Step): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const seconds = msMax / 1000;
        this.#say(`${name} does not end within ${seconds} s; going on without it`);
        reject(new PostsealError('server.stop-late', { part: name, seconds }));
      }, msMax);
    });
    const done = (async () => {
      await stop();
    })();
    // It may still fail when nobody waits for it any more.
    done.catch(() => undefined);
    try {
      await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
