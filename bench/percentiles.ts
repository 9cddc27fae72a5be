// Percentiles of measured times.

/** The values below which 50, 95 and 99 % of `times` lie; in the unit of `times`. Sorts `times`. */
export function percentiles(times: number[]): readonly [number, number, number] {
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN;
  return [at(0.5), at(0.95), at(0.99)];
}
