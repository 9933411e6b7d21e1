export * from './testing/clients.ts'
export * from './testing/locks.ts'
export * from './testing/registry.ts'
export * from './testing/start-test-broker.ts'
