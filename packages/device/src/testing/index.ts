export * from './broker.ts'
export * from './provisioner.ts'
