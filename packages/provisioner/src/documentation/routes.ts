import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createMiddleware } from 'hono/factory'
import type { App } from '../http/env.ts'

const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Muster API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null })
`

/** Everything comes from here; the pictures of Swagger UI's style sheet are data URLs. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const protect = createMiddleware(async (c, next) => {
  await next()
  c.header('Content-Security-Policy', policy)
  c.header('Cache-Control', 'public, max-age=3600')
})

/** `/openapi.json` from the schemas, and a page for it that needs no network beyond this server. */
export function addDocumentation(app: App): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'operator', {
    type: 'http',
    scheme: 'bearer',
    description: 'An operator token: muster_op_<id>_<secret>',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'claim', {
    type: 'http',
    scheme: 'basic',
    description: 'The id of the device, or nothing; its claim is the password',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'certificate', {
    type: 'mutualTLS',
    description: 'The certificate of a device, a service or a server',
  })
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Muster',
      version: '0.1.0',
      description:
        'Provisioning of IoT fleets. Errors are problem documents (RFC 9457); docs/errors.md explains every code.',
      license: { name: 'Apache-2.0' },
    },
  })
  const folder = createRequire(import.meta.url)
    .resolve('swagger-ui-dist/package.json')
    .replace(/package\.json$/, '')
  app.use('/docs', protect)
  app.use('/docs/*', protect)
  app.get('/docs', (c) => c.html(page))
  app.get('/docs/start.js', (c) => c.body(start, 200, { 'content-type': 'text/javascript; charset=utf-8' }))
  for (const [name, type] of Object.entries(assets)) {
    let content: Uint8Array<ArrayBuffer> | undefined
    app.get(`/docs/${name}`, (c) => {
      content ??= new Uint8Array(readFileSync(folder + name))
      return c.body(content, 200, { 'content-type': type })
    })
  }
}
