import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const FOUND = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
const MUST_RUN = process.env['ADSUM_TEST_FORBID_SKIP'] === '1'

/** Whether the tests of a file that needs a browser are skipped; says so, unless skipping is forbidden. */
export function isWithoutChromium(): boolean {
  const isSkipped = FOUND === undefined && !MUST_RUN
  if (isSkipped) console.log('skipped: the browser tests need chromium (Debian package "chromium")')
  return isSkipped
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: FOUND ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
