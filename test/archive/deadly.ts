// For children of crash tests: an object whose every method is a step at which the process may kill itself.

function reach(here: string, step: string): void {
  if (here === step) process.kill(process.pid, 'SIGKILL');
}

/** The methods of `of`, each with a deadly step before and after it: the first time it is reached. */
export function deadly<T extends object>(of: T, step: string): T {
  return new Proxy(of, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...values: unknown[]): unknown => {
        reach(`before ${name}`, step);
        const answer: unknown = Reflect.apply(value, target, values);
        // What it is told piece by piece are steps too.
        if (name === 'gather') return deadly(answer as object, step);
        if (!(answer instanceof Promise)) {
          reach(`after ${name}`, step);
          return answer;
        }
        return answer.then((done: unknown) => {
          reach(`after ${name}`, step);
          return done;
        });
      };
    },
  });
}
