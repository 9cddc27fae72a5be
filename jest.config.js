/** Jest 30 in ESM; swc strips types, `tsc --noEmit` is the separate type gate (docs/HACKING.md). */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  globalSetup: '<rootDir>/test/harness/global-setup.ts',
  globalTeardown: '<rootDir>/test/harness/global-teardown.ts',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/var', '<rootDir>/dist', '<rootDir>/.postseal-cache'],
  reporters: ['default', '<rootDir>/scripts/jest-reporter.mjs'],
  testTimeout: 30000,
};
