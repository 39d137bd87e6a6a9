#!/usr/bin/env node
import { startApp } from './app/app.ts'
import { runCli } from './app/cli.ts'
import { openAccounts } from './app/open-accounts.ts'
import { readPassword } from './app/terminal.ts'

// Whoever reads our output may stop before we do.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const code = await runCli(process.argv.slice(2), {
  env: process.env,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  readPassword,
  onSignal: (run) => {
    process.on('SIGTERM', run)
    process.on('SIGINT', run)
  },
  exit: (code) => process.exit(code),
  startApp,
  openAccounts,
})

// A command that failed may have left something open that would keep the process alive.
if (code !== 0) process.exit(code)
