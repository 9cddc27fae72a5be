// Many small questions, few statements: what is asked while an answer is under way goes into the next
// one together. No timer, as in the committer.

/** Answers in the order of the questions; a rejection is everyone's who asked in that round. */
export type Ask<Q, A> = (questions: readonly Q[]) => Promise<readonly A[]>;

interface Waiting<Q, A> {
  readonly question: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

export interface CoalescerLimits {
  /** Questions in one round. */
  readonly roundMax: number;
  /** Rounds under way at the same time. */
  readonly rounds: number;
}

export class Coalescer<Q, A> {
  readonly #ask: Ask<Q, A>;
  readonly #limits: CoalescerLimits;
  #waiting: Waiting<Q, A>[] = [];
  #running = 0;
  #scheduled = false;

  constructor(ask: Ask<Q, A>, limits: CoalescerLimits = { roundMax: 500, rounds: 1 }) {
    this.#ask = ask;
    this.#limits = limits;
  }

  /** Asks; what else is asked in this turn of the event loop travels along. */
  ask(question: Q): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      if (this.#scheduled || this.#running >= this.#limits.rounds) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        void this.#run();
      });
    });
  }

  async #run(): Promise<void> {
    if (this.#running >= this.#limits.rounds) return;
    this.#running += 1;
    while (this.#waiting.length > 0) {
      const round = this.#waiting.splice(0, this.#limits.roundMax);
      try {
        const answers = await this.#ask(round.map(({ question }) => question));
        for (const [i, { resolve }] of round.entries()) resolve(answers[i] as A);
      } catch (error) {
        for (const { reject } of round) reject(error);
      }
    }
    this.#running -= 1;
  }
}
