import { randomBytes, randomInt } from 'node:crypto'

/** Chance as an input, like time: tests give a seeded one. */
export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array
  /** A whole number in [0, below). */
  int(below: number): number
  /** A number in [0, 1). */
  fraction(): number
}

export function systemRandom(): Random {
  return {
    bytes: (count) => randomBytes(count),
    int: (below) => randomInt(below),
    fraction: () => randomInt(2 ** 48 - 1) / (2 ** 48 - 1),
  }
}

/** `length` characters of `alphabet`, each equally likely. */
export function randomText(random: Random, alphabet: string, length: number): string {
  let text = ''
  for (let i = 0; i < length; i += 1) text += alphabet[random.int(alphabet.length)]
  return text
}

/** `base` spread evenly over ± `share` of itself, e.g. 0.1 for ± 10 %; a whole number. */
export function jittered(random: Random, base: number, share: number): number {
  return Math.round(base * (1 + share * (2 * random.fraction() - 1)))
}
