import type { Config } from '../config.ts'
import type { Listener } from './ports.ts'

export function listListeners({ host, ports }: Config): Listener[] {
  return [
    { what: 'API', host, port: ports.api, variable: 'MUSTER_API_PORT' },
    { what: 'CRL and OCSP', host, port: ports.pki, variable: 'MUSTER_PKI_PORT' },
    { what: 'MQTT', host, port: ports.mqtt, variable: 'MUSTER_MQTT_PORT' },
    {
      what: 'provisioner metrics',
      host: '127.0.0.1',
      port: ports.provisionerMetrics,
      variable: 'MUSTER_PROVISIONER_METRICS_PORT',
    },
    { what: 'broker metrics', host: '127.0.0.1', port: ports.brokerMetrics, variable: 'MUSTER_BROKER_METRICS_PORT' },
  ]
}

/** How this machine reaches its own API: the server's certificate always carries `localhost` and the public name. */
export function localApiUrl({ host, publicHost, ports }: Config): string {
  const isLocal = ['0.0.0.0', '::', '127.0.0.1', '::1', 'localhost'].includes(host)
  return `https://${isLocal ? 'localhost' : publicHost}:${ports.api}`
}
