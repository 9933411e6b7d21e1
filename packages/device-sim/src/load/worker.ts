// A worker process: started and told what to do by open-load.ts, ends with it.
import type { CommandName, Commands, Request } from './commands.ts'
import { Generator } from './generator.ts'
import { inParallel } from './in-parallel.ts'
import { nameTopic, publishAtFullSpeed, publishPaced } from './publish.ts'

const generator = new Generator()
let paced: (() => void)[] = []

const carryOut: { [name in CommandName]: (input: Commands[name]['input']) => Promise<Commands[name]['answer']> } = {
  identities: async (input) => generator.use(input) as undefined,
  connect: (input) => generator.connect(input),
  churn: (input) => generator.churn(input),
  async subscribe(input) {
    const { filter, qos } = input
    let granted = 0
    const connections = generator.connectionsOf(input)
    await inParallel(connections, 100, async (connection) => {
      if ((await connection.subscribe([nameTopic(filter, connection.clientId)], qos)) < 0x80) granted++
    })
    return { granted, refused: connections.length - granted }
  },
  publish: (input) => publishAtFullSpeed(generator, input),
  async startPaced(input) {
    paced.push(publishPaced(generator, input))
    return undefined
  },
  async stopPaced() {
    for (const stop of paced) stop()
    paced = []
    return undefined
  },
  async counts() {
    const { received, sent, acknowledged } = generator
    return { received, sent, acknowledged }
  },
  closings: async () => generator.closings,
  heard: async () => [...generator.heard.values()],
  close: async (input) => generator.close(input),
}

process.on('message', ({ seq, name, input }: Request) => {
  carryOut[name](input as never).then(
    (answer) => process.send?.({ seq, answer }),
    (error: unknown) => process.send?.({ seq, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
