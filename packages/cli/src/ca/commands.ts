import type { Command } from 'commander'
import { parseDuration } from '../options.ts'
import type { Cli } from '../settings.ts'
import { importCa, initRoot, requestIssuer, signRequest } from './ceremony.ts'
import { activateIssuer, listIssuers, prepareIssuer, retireIssuer } from './rotate.ts'

export function addCaCommands(program: Command, cli: Cli): void {
  const ca = program.command('ca').description('roots and issuing CAs: rotation, and the ceremony with an offline root')
  addRotation(ca, cli)
  addCeremony(ca, cli)
}

function addRotation(ca: Command, cli: Cli): void {
  ca.command('list')
    .description('all CAs, what depends on them, and which brokers trust them')
    .action((_, command: Command) => listIssuers(cli, command.optsWithGlobals()))
  ca.command('prepare <name>')
    .description('make the next issuing CA, or take the one that was imported; brokers learn to trust it')
    .option('--root', 'the next root instead, certified by the one before')
    .action((name: string, _, command: Command) => prepareIssuer(cli, command.optsWithGlobals(), name))
  ca.command('activate <name>')
    .description('issue from it, once every broker trusts it, and have the certificates before it renewed')
    .option('--renew-within <duration>', 'how long that may take, like 24h', parseDuration)
    .action((name: string, _, command: Command) => activateIssuer(cli, command.optsWithGlobals(), name))
  ca.command('retire <name>')
    .description('admit nothing of it any more')
    .option('--force', 'also while certificates or devices depend on it: they are cut off')
    .action((name: string, _, command: Command) => retireIssuer(cli, command.optsWithGlobals(), name))
}

function addCeremony(ca: Command, cli: Cli): void {
  ca.command('init')
    .description('make a root, and nothing else, on the machine that keeps it')
    .requiredOption('--root-only <dir>', 'the directory for its key and certificate')
    .option('--name <name>', 'of the root', 'root')
    .option('--cross-signed-by <name>', 'the root before it, in the same directory')
    .action((_, command: Command) => initRoot(cli, command.optsWithGlobals()))
  ca.command('request <name>')
    .description('make the key of an issuing CA in the data directory, and print its request')
    .action((name: string, _, command: Command) => requestIssuer(cli, command.optsWithGlobals(), name))
  ca.command('sign <dir> <request>')
    .description('certify a request with the root in a directory, and print the certificate and the root')
    .requiredOption('--name <name>', 'of the issuing CA')
    .option('--root <name>', 'the root', 'root')
    .action((dir: string, request: string, _, command: Command) =>
      signRequest(cli, command.optsWithGlobals(), dir, request),
    )
  ca.command('import <name> <certificates>')
    .description('take an issuing CA into the data directory: its certificate, those above it, the root')
    .option('--key <file>', 'its private key (PEM), where it was not made here')
    .option('--key-passphrase-file <file>', 'what opens that key')
    .option('--root <name>', 'the root that it comes from', 'root')
    .option('--is-root', 'it is a root, and after it its cross certificate')
    .option('--cross-signed-by <name>', 'the root before it, with --is-root')
    .action((name: string, file: string, _, command: Command) => importCa(cli, command.optsWithGlobals(), name, file))
}
