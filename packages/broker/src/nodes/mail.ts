import { setImmediate as nextTurn } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { type Db, listenTo, repeat } from '@muster/db'
import type { Contact } from '../contact/contact.ts'

/** Letters between broker nodes, by way of the database. One may be lost, late or forged: what it says is to be judged by what is so. */
export interface Mail extends AsyncDisposable {
  /** Resolves when it lies there for its recipient. @throws when it does not; it is not tried again */
  post(recipient: string, letter: unknown): Promise<void>
}

export interface MailOptions {
  db: Db
  url: string
  node: string
  contact: Pick<Contact, 'isHere'>
  /** The longest a letter waits when its notification is lost. */
  pollMs: number
  onLetter(sender: string, letter: unknown): void
  onError(error: unknown): void
}

/** The payload is the recipient's name: all that a notification can do is to make a node look. */
const mailChannel = 'muster_node_mail'
const batchRows = 500
/** Nobody waits for an answer any more. */
export const overdueMs = 30_000

const postText = `
  with posted as (
    insert into node_mail (recipient, sender, letter, at)
    select p.recipient, $1, p.letter::jsonb, now() from unnest($2::text[], $3::text[]) as p (recipient, letter)
    returning recipient
  )
  select pg_notify($4, recipient) from (select distinct recipient from posted) as r`
const takeText = `delete from node_mail where recipient = $1 returning id, sender, letter`
const sweepText = `delete from node_mail where at < now() - $1 * interval '1 ms'`

interface Outgoing {
  recipient: string
  letter: string
  posted: PromiseWithResolvers<void>
}

export function openMail({ db, url, node, contact, pollMs, onLetter, onError }: MailOptions): Mail {
  const outgoing: Outgoing[] = []
  let posting: Promise<void> | undefined

  /** One statement for all of a turn, and then for all that came while it was under way. */
  async function postAll() {
    await nextTurn()
    while (outgoing.length > 0) {
      const batch = outgoing.splice(0, batchRows)
      const column = (of: 'recipient' | 'letter') => batch.map((one) => one[of])
      const values = [node, column('recipient'), column('letter'), mailChannel]
      try {
        await db.$client.query({ name: 'post-mail', text: postText, values })
        for (const { posted } of batch) posted.resolve()
      } catch (error) {
        for (const { posted } of batch) posted.reject(error)
      }
    }
    posting = undefined
  }

  async function take() {
    if (!contact.isHere()) return
    type Row = { id: string; sender: string; letter: unknown }
    const { rows } = await db.$client.query<Row>({ name: 'take-mail', text: takeText, values: [node] })
    for (const { sender, letter } of rows.sort((a, b) => Number(a.id) - Number(b.id))) onLetter(sender, letter)
  }

  async function sweep() {
    if (contact.isHere()) await db.$client.query({ name: 'sweep-mail', text: sweepText, values: [overdueMs] })
  }

  const opened = new AsyncDisposableStack()
  // Whoever asks while this node leaves is answered that nobody is here.
  opened.defer(async () => {
    await take().catch(onError)
    await posting
  })
  opened.use(repeat(sweep, { everyMs: overdueMs, onError }))
  const polling = opened.use(repeat(take, { everyMs: pollMs, onError }))
  opened.use(
    listenTo({
      url,
      channels: [mailChannel],
      applicationName: 'muster_broker mail',
      onListening: polling.hurry,
      onNotification: (_, recipient) => recipient === node && polling.hurry(),
      onError,
    }),
  )

  return {
    async post(recipient, letter) {
      if (!contact.isHere()) throw new MusterError('unavailable', 'the registry is away')
      const posted = Promise.withResolvers<void>()
      outgoing.push({ recipient, letter: JSON.stringify(letter), posted })
      posting ??= postAll()
      await posted.promise
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
