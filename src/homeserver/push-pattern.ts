import { matchesGlob } from '../matrix/glob.ts'

/** Longer patterns match nothing: they come from users and are tried on every event. */
const PATTERN_MAX = 256
/** Only this much of a text is looked at. */
const TEXT_MAX = 16_384

const WORD = /\w/

/** Does the glob (`*` any run, `?` one character) fit the whole text? Letter case does not count. */
export function matchesWholeText(pattern: string, text: string): boolean {
  return pattern.length <= PATTERN_MAX && matchesGlob(pattern.toLowerCase(), searchedPart(text))
}

/**
 * Does it fit somewhere in the text, beginning and ending at word boundaries? With `literal`, `*` and `?` are themselves.
 * Every part is taken as early as possible, which leaves the most for those after it; so there is no backtracking.
 */
export function matchesWords(pattern: string, text: string, wildcards: 'glob' | 'literal' = 'glob'): boolean {
  if (pattern === '' || pattern.length > PATTERN_MAX) return false
  const searched = searchedPart(text)
  const lower = pattern.toLowerCase()
  const parts = wildcards === 'glob' ? lower.split('*') : [lower]
  const isOneChar = wildcards === 'glob' ? '?' : null
  let at = 0
  for (const [index, part] of parts.entries()) {
    // A `*` at either end reaches to the boundary of the text, which is always one.
    if (part === '') continue
    const found = find(part, searched, at, isOneChar, (start) => {
      if (index === 0 && isInWord(searched, start - 1)) return false
      return index < parts.length - 1 || !isInWord(searched, start + part.length)
    })
    if (found < 0) return false
    at = found + part.length
  }
  return true
}

function searchedPart(text: string): string {
  return text.slice(0, TEXT_MAX).toLowerCase()
}

function find(
  part: string,
  text: string,
  from: number,
  isOneChar: '?' | null,
  accepts: (start: number) => boolean,
): number {
  for (let start = from; start + part.length <= text.length; start += 1)
    if (accepts(start) && isAt(part, text, start, isOneChar)) return start
  return -1
}

function isAt(part: string, text: string, start: number, isOneChar: '?' | null): boolean {
  for (let i = 0; i < part.length; i += 1) {
    const wanted = part.charAt(i)
    if (wanted !== isOneChar && wanted !== text.charAt(start + i)) return false
  }
  return true
}

function isInWord(text: string, at: number): boolean {
  return WORD.test(text.charAt(at))
}
