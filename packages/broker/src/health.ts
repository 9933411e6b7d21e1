import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { listenOn } from './listen-on.ts'

export interface Health extends AsyncDisposable {
  port: number
}

/** Metrics and probes, on the loopback interface only. */
export async function openHealth(options: {
  port: number
  registry: Registry
  isReady(): boolean
  /** What a node that is ready all the same has to say. */
  remark(): string | undefined
}): Promise<Health> {
  const { port, registry, isReady, remark } = options
  const server = createServer(async (request, response) => {
    const plain = { 'content-type': 'text/plain; charset=utf-8' }
    switch (request.url) {
      case '/metrics':
        return response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics())
      case '/livez':
        return response.writeHead(200, plain).end('live\n')
      case '/readyz':
        return isReady()
          ? response.writeHead(200, plain).end(`${remark() ?? 'ready'}\n`)
          : response.writeHead(503, plain).end('not ready\n')
      default:
        return response.writeHead(404, plain).end('not found\n')
    }
  })
  await listenOn(server, '127.0.0.1', port, 'MUSTER_BROKER_METRICS_PORT')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
