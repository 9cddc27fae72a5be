// Takes a value every two seconds, so that whoever asks for it never waits for PostgreSQL or the token.

const everyMs = 2_000;

/** Takes now and then every two seconds; answers how to stop. */
export function sample(take: () => Promise<void> | void): () => void {
  let busy = false;
  const run = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      await take();
    } finally {
      busy = false;
    }
  };
  void run();
  const timer = setInterval(() => void run(), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
