import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Front extends AsyncDisposable {
  url: string
  /** Of every request, in order. */
  paths: string[]
}

type Answer = (path: string, body: string, response: ServerResponse) => Promise<void> | void

/** An HTTPS server that devices take for the provisioner, or should not. */
export async function openFront(identity: { key: string; cert: string }, answer: Answer): Promise<Front> {
  const paths: string[] = []
  const server = createServer(identity, async (request: IncomingMessage, response) => {
    paths.push(request.url ?? '')
    await answer(request.url ?? '', await text(request), response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    paths,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
