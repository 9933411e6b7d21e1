import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Incoming } from '../accept.ts'
import type { Limits } from '../limits.ts'
import { Crowd } from './crowd.ts'
import { WebSocketStream } from './websocket-stream.ts'

export interface WebSocketEntrance extends Disposable {
  /** A connection after its TLS handshake, before its upgrade. */
  enter(incoming: Incoming): void
}

interface Upgrading {
  group: string
  incoming: Incoming
  timer: NodeJS.Timeout
}

const subprotocol = 'mqtt'
const paths: readonly (string | undefined)[] = ['/', '/mqtt']
const pingEveryMs = 30_000

/**
 * MQTT over WebSocket (MQTT 5 §6): the upgrade, and then `accept` as for any other connection.
 * A browser sends its certificate for whatever page asks it to: only pages of `origins` may.
 */
export function openWebSocket(options: {
  limits: Limits
  origins: readonly string[]
  accept(incoming: Incoming): void
}): WebSocketEntrance {
  const { limits, origins, accept } = options
  const upgrading = new Map<Duplex, Upgrading>()
  const crowd = new Crowd<Upgrading>()
  const http = createServer({ maxHeaderSize: 8_192, insecureHTTPParser: false }, (_request, response) => {
    response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end()
  })
  const websockets = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    // MQTT's own bound, and room for the packet before it in the same frame.
    maxPayload: 2 * limits.packetBytes,
    handleProtocols: () => subprotocol,
  })

  function leave(socket: Duplex): Incoming | undefined {
    const one = upgrading.get(socket)
    if (!one) return undefined
    clearTimeout(one.timer)
    upgrading.delete(socket)
    crowd.delete(one)
    return one.incoming
  }

  http.on('clientError', (_error, socket) => socket.destroy())
  http.on('upgrade', (request, socket, head) => {
    const refused = refuseUpgrade(request, origins)
    if (refused) return void socket.end(`HTTP/1.1 ${refused}\r\nconnection: close\r\n\r\n`, () => socket.destroy())
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      const incoming = leave(socket)
      if (!incoming) return websocket.terminate()
      watch(websocket)
      accept({ ...incoming, socket: new WebSocketStream(websocket) })
    })
  })

  /** A peer that is gone without a word is found by this, as TCP's own keep-alive finds it only behind the last proxy. */
  const heard = new WeakSet<WebSocket>()
  function watch(websocket: WebSocket) {
    heard.add(websocket)
    websocket.on('pong', () => heard.add(websocket))
  }
  const pings = setInterval(() => {
    for (const websocket of websockets.clients) {
      if (!heard.delete(websocket)) websocket.terminate()
      else websocket.ping()
    }
  }, pingEveryMs).unref()

  return {
    enter(incoming) {
      const { tls } = incoming
      const timer = setTimeout(() => tls.destroy(), limits.connectMs)
      const one = { group: incoming.group, incoming, timer }
      upgrading.set(tls, one)
      crowd.add(one)
      tls.once('close', () => leave(tls))
      http.emit('connection', tls satisfies TLSSocket)
      if (crowd.size > limits.handshakes) crowd.greediest()?.incoming.tls.destroy()
    },
    [Symbol.dispose]() {
      clearInterval(pings)
      for (const { timer } of upgrading.values()) clearTimeout(timer)
      websockets.close()
      http.close()
    },
  }
}

/** Status line of a refusal, before anything is upgraded. */
function refuseUpgrade({ url, headers }: IncomingMessage, origins: readonly string[]): string | undefined {
  if (!paths.includes(url?.split('?')[0])) return '404 Not Found'
  const { origin } = headers
  if (origin !== undefined && !origins.includes(origin)) return '403 Forbidden'
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  // [MQTT-6.0.0-3]
  return offered.includes(subprotocol) ? undefined : '400 Bad Request'
}
