import { createPrivateKey } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { readConfig } from '@muster/contracts/config'
import { z } from 'zod'
import { CliError } from '../exit.ts'
import { notify, print } from '../io.ts'
import { type Cli, findData, type GlobalOptions } from '../settings.ts'

const Variables = z.object({
  MUSTER_CA_PASSPHRASE: z.string().min(12, 'must have 12 characters or more').optional(),
  MUSTER_TRUST_DOMAIN: z.string().default('muster.local'),
})

/** A directory with keys: the passphrase of the environment, else the directory's own. */
function placeOf(cli: Cli, directory: string) {
  const read = readConfig(Variables, cli.env, ['MUSTER_CA_PASSPHRASE'])
  const { MUSTER_CA_PASSPHRASE: passphrase, MUSTER_TRUST_DOMAIN: trustDomain } = read
  return { directory: resolve(directory), passphrase, trustDomain, now: cli.io.now() }
}

const ownPlace = (cli: Cli, options: GlobalOptions) => placeOf(cli, join(findData(cli, options), 'ca'))

interface InitOptions extends GlobalOptions {
  rootOnly: string
  name: string
  crossSignedBy?: string
}

export async function initRoot(cli: Cli, { rootOnly, name, crossSignedBy }: InitOptions): Promise<void> {
  const { createRoot } = await import('@muster/pki')
  const place = placeOf(cli, rootOnly)
  const { root, cross } = await createRoot({ ...place, name, crossSignedBy })
  print(cli.io, `${root}${cross ?? ''}`.trimEnd())
  notify(cli.io, `${name} is in ${place.directory}; what was printed is public, the rest of the directory is not`)
}

export async function requestIssuer(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  const { createIssuingCsr } = await import('@muster/pki')
  print(cli.io, (await createIssuingCsr({ ...ownPlace(cli, options), name })).trimEnd())
}

export async function signRequest(
  cli: Cli,
  options: { name: string; root: string },
  directory: string,
  request: string,
): Promise<void> {
  const { signIssuingCsr, listCa } = await import('@muster/pki')
  const place = placeOf(cli, directory)
  const csr = await read(request)
  const certificate = await signIssuingCsr({ ...place, csr, name: options.name, rootName: options.root })
  const { roots } = await listCa(place.directory)
  const root = roots.find(({ name }) => name === options.root)?.certificate
  print(cli.io, `${certificate}${root ?? ''}`.trimEnd())
}

interface ImportOptions extends GlobalOptions {
  key?: string
  keyPassphraseFile?: string
  root: string
  isRoot?: boolean
  crossSignedBy?: string
}

export async function importCa(cli: Cli, options: ImportOptions, name: string, file: string): Promise<void> {
  const { importIssuer, importRoot } = await import('@muster/pki')
  const place = ownPlace(cli, options)
  const certificates = await read(file)
  if (options.isRoot) await importRoot({ ...place, certificates, name, crossSignedBy: options.crossSignedBy })
  else {
    if (options.key !== undefined) await importKey(place, name, options.key, options.keyPassphraseFile)
    await importIssuer({ ...place, name, certificates, rootName: options.root })
  }
  notify(
    cli.io,
    `${name} is in ${place.directory}; \`muster ca prepare ${name}\` makes it known, or the first start does`,
  )
}

async function importKey(
  place: ReturnType<typeof placeOf>,
  name: string,
  file: string,
  passphraseFile: string | undefined,
): Promise<void> {
  const { openKeyStore } = await import('@muster/pki')
  const passphrase = passphraseFile === undefined ? undefined : (await read(passphraseFile)).trim()
  await mkdir(place.directory, { recursive: true, mode: 0o700 })
  const keys = await openKeyStore(place)
  await keys.import?.(name, readKey(file, await read(file), passphrase))
}

function readKey(file: string, pem: string, passphrase: string | undefined) {
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase !== undefined && { passphrase }) })
  } catch (cause) {
    throw new CliError(`${file} is not a private key that can be opened`, { cause })
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CliError(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause })
  }
}
