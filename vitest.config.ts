import { defineConfig } from 'vitest/config'

const globalSetup = ['./packages/db/src/testing-setup.ts']

// Two runs in one `npm test`, so each leaves a report of its own for whoever adds them up.
const results = process.env.MUSTER_TEST_RESULTS
export default defineConfig({
  test: {
    // By default one core is left to the editor.
    maxWorkers: '100%',
    reporters: results ? ['default', 'json'] : ['default'],
    outputFile: { json: `${results}/${process.pid}.json` },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: ['packages/*/src/**/*.{db,process}.test.ts'],
          // What a command prints is compared, whatever the machine asks to be painted.
          env: { FORCE_COLOR: '0' },
        },
      },
      {
        // Without a database, but seconds long: they start and kill processes, or play whole fleets.
        test: { name: 'process', include: ['packages/*/src/**/*.process.test.ts'], testTimeout: 60_000 },
      },
      {
        test: {
          name: 'db',
          include: ['packages/*/src/**/*.db.test.ts'],
          globalSetup,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/*.test.ts', 'tests/conformance/*.test.ts'],
          globalSetup,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['tests/browser/*.test.ts'],
          globalSetup,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
