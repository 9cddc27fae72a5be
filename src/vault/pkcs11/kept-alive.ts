// pkcs11js 2.1.7 hands the address of an input buffer to another thread and keeps no reference to the
// buffer (its src/worker.cpp): collected in between, the token would work on other bytes.

/** `call`, with `input` reachable until it is settled. */
export function keptAlive<T>(input: Buffer, call: Promise<T>): Promise<T> {
  return call.finally(() => {
    letGo(input);
  });
}

function letGo(input: Buffer): void {
  // Only the closure above matters: it holds what it names.
  Object.is(input, undefined);
}
