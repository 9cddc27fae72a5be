// Gives other sessions a turn in the middle of long work (architecture §7: never a blocked event loop).
import { setImmediate as nextTurn } from 'node:timers/promises';

const sliceMs = 4;

/** Call `rest()` between small steps; it returns at once until the slice is used up. */
export class TimeSlice {
  #started = performance.now();

  get isUsedUp(): boolean {
    return performance.now() - this.#started >= sliceMs;
  }

  async rest(): Promise<void> {
    if (!this.isUsedUp) return;
    await nextTurn();
    this.#started = performance.now();
  }
}
