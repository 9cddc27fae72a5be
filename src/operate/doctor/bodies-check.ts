// Whether the store of bodies answers, and what its lock is worth.
import { PostsealError } from '../../kernel/errors.ts';
import type { DoctorCheck } from './doctor-check.ts';

export const bodiesCheck: DoctorCheck = {
  name: 'bodies',
  async look({ config: { bodies } }) {
    if (bodies.store === 'packs') return { verdict: 'good', text: 'packs in the home' };
    const { bucket, lock } = bodies.s3;
    // Loaded where it is used: the client is large (ADR 13).
    const { reachS3 } = await import('../../vault/s3/open-s3-bodies.ts');
    try {
      await reachS3(bodies.s3);
    } catch (error) {
      if (!(error instanceof PostsealError)) throw error;
      const reason = String(error.fields['reason'] ?? error.code);
      const text = `the bucket ${bucket} does not answer (${reason})`;
      return { verdict: 'bad', text, hint: error.hint };
    }
    if (lock === 'compliance') {
      return {
        verdict: 'good',
        text: `objects in the bucket ${bucket}, its lock is tried at each start`,
      };
    }
    return {
      verdict: 'warning',
      text: `objects in the bucket ${bucket}, without a lock`,
      hint: 'use a bucket with Object Lock and set bodies.s3.lock to compliance',
    };
  },
};
