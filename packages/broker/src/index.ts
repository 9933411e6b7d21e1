export { type Broker, type BrokerDeps, type BrokerSettings, startBroker } from './broker.ts'
export { BrokerEnvironment, brokerSecrets, loadConfig } from './config.ts'
