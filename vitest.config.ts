import { defineConfig } from 'vitest/config'

/**
 * Unit tests stand beside their file and share one process; whole servers get a process a file. A time-out only ends what
 * hangs: it is far above what a slow machine takes.
 */
export default defineConfig({
  test: {
    // matrix-js-sdk writes what it does to the console; of our own tests only skipping says something.
    onConsoleLog: (text, type) => type === 'stderr' || text.startsWith('skipped:'),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/tidy/**/*.test.ts', 'test/contract/**/*.test.ts'],
          pool: 'threads',
          isolate: false,
          testTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'client',
          include: ['client/src/**/*.test.ts'],
          pool: 'threads',
          testTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'web',
          include: ['web/src/**/*.test.ts'],
          pool: 'threads',
          testTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'api',
          include: [
            'test/api/**/*.test.ts',
            'test/federation/**/*.test.ts',
            'test/scenario/**/*.test.ts',
            'test/app/**/*.test.ts',
            'test/sim/**/*.test.ts',
          ],
          pool: 'forks',
          isolate: true,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
})
