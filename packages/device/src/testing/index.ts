export * from './broker.ts'
export * from './provisioner.ts'
export * from './registry.ts'
