import { Duration } from '@muster/contracts'
import { Host, LogLevel, NodeName, Port, readConfig } from '@muster/contracts/config'
import { z } from 'zod'

const secrets = ['MUSTER_DATABASE_URL', 'MUSTER_CLAIM'] as const

const Network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])
const Networks = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(Network, 'must be addresses or networks like 10.0.0.0/8, with commas between them'))

const Origins = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(
    z.array(
      z.string().regex(/^https:\/\/[a-z0-9.-]+(:\d+)?$/),
      'must be like https://console.example:8443, with commas between them',
    ),
  )

export const BrokerEnvironment = z.object({
  MUSTER_DATA: z.string().default('.muster'),
  MUSTER_HOST: Host.default('127.0.0.1'),
  MUSTER_MQTT_PORT: Port.default(8_883),
  MUSTER_WS_PORT: Port.optional(),
  MUSTER_WS_ORIGINS: Origins.default([]),
  MUSTER_PROXY_FROM: Networks.default([]),
  MUSTER_BROKER_METRICS_PORT: Port.default(9_401),
  MUSTER_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must begin with postgresql://'),
  MUSTER_NODE: NodeName.default('broker-1'),
  MUSTER_API_URL: z
    .url({ protocol: /^https$/, error: 'must be like https://muster.example:8443' })
    .default('https://localhost:8443'),
  MUSTER_CLAIM: z.string().optional().describe('needed once, to enrol'),
  MUSTER_TRUST_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?$/, 'must be a domain name in lower case')
    .default('muster.local'),
  MUSTER_SESSIONS_SYNC: z
    .enum(['on', 'off'])
    .default('on')
    .describe('whether acknowledged means safe from a power cut too'),
  // How long a node may serve without the registry, and a revocation waits for a node that is cut off.
  MUSTER_FRESHNESS: Duration.refine((seconds) => seconds >= 10, 'must be 10s or more')
    .refine((seconds) => seconds <= 3_600, 'must be 1h or less')
    .default(300),
  // The longest a connection of MQTT 5 may be silent. [MQTT-3.2.2-21]
  MUSTER_KEEP_ALIVE: Duration.refine((seconds) => seconds >= 10, 'must be 10s or more')
    .refine((seconds) => seconds <= 65_535, 'must be 18h or less')
    .default(1_800),
  MUSTER_LOG_LEVEL: LogLevel.default('info'),
})
export type BrokerConfig = Readonly<z.infer<typeof BrokerEnvironment>>
export const brokerSecrets: readonly string[] = secrets

/** @throws ConfigError with everything that is wrong */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): BrokerConfig {
  return Object.freeze(readConfig(BrokerEnvironment, env, [...secrets]))
}
