// The key of a key-state file is wrapped by the token and opened by it again before anything is sealed under it.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSwitchStage, type SwitchStage } from '../generations/switch-stage.ts';

let run: SwitchStage;
beforeAll(async () => {
  run = await openSwitchStage();
}, 60_000);
afterAll(() => run.close());

test('a wrap that the token does not open is no key of a file', async () => {
  const { keyStore } = run.stage;
  const wrap = keyStore.wrap.bind(keyStore);
  keyStore.wrap = async (...asked) => {
    const made = Buffer.from(await wrap(...asked));
    made.writeUInt8(made.readUInt8(made.length - 1) ^ 1, made.length - 1);
    return made;
  };
  try {
    await expect(run.deps.keys.generation({ do: 'state-key' })).rejects.toMatchObject({
      code: 'integrity.tag',
    });
  } finally {
    keyStore.wrap = wrap;
  }
  expect(await run.deps.keys.generation({ do: 'state-key' })).toMatchObject({ generation: 1 });
});
